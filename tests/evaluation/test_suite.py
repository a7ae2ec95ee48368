"""Evaluation through signatures: in memory or loaded, library or command."""

import json

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver

from tests.support.cases import Case
from tf_sintrovae import evaluate, evaluation
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving import export


@pytest.fixture(scope="module")
def digits_model(tmp_path_factory):
    """An untrained model of digits, its source and its export."""
    path = tmp_path_factory.mktemp("evaluation") / "saved_model"
    model = Case("images", "mixture").model()
    servable = export.export(model, path, clip_images=(0.0, 1.0), info={"epoch": 7})
    return servable, registry.load("digits"), path


def test_loaded_model_gives_the_metrics_of_the_one_in_memory(digits_model):
    servable, source, path = digits_model
    names = set(evaluation.applicable(source)) - {"sample_quality", "reconstruction_quality"}
    options = evaluation.Options(iwae_images=3)
    before, after = (
        evaluation.evaluate(m, source, sorted(names), 3, options=options)
        for m in (servable, tf.saved_model.load(str(path)))
    )
    assert set(before) >= {
        "knn5_accuracy_sampled",
        "knn5_accuracy_mean",
        "svm_many_accuracy_sampled",
        "sample_class_min_share",
        "inactive_components",
        "elbo_test",
    }
    for name, value in before.items():
        # A decision on the edge may fall either way.
        margin = 1e-2 if "accuracy" in name or "cluster" in name else 1e-6
        assert after[name] == pytest.approx(value, rel=1e-5, abs=margin)


def test_equal_seeds_give_equal_metrics_to_the_last_digit(digits_model):
    servable, source, _ = digits_model
    names = ("elbo", "components", "class_coverage")
    metrics = [evaluation.evaluate(servable, source, names, seed=s) for s in (1, 1, 2)]
    assert metrics[0] == metrics[1]
    assert metrics[0] != metrics[2]


def test_elbo_metrics_are_means_of_the_score(digits_model):
    servable, source, _ = digits_model
    metrics = evaluation.evaluate(servable, source, ("elbo",), seed=0)
    size, constant = 64, 0.5 * 64 * np.log(2 * np.pi)
    expected = -(0.5 * size * metrics["mse_test"] + constant + metrics["kl_test"])
    assert metrics["elbo_test"] == pytest.approx(expected, rel=1e-5)


def test_plane_data_have_their_own_measures():
    servable = export.Servable(Case("points", "mixture").model())
    for name, has_modes in (("8gaussians", True), ("rings", True), ("spiral", False)):
        source = registry.load(name)
        options = evaluation.Options(gnelbo_grid=8, gnelbo_points=200, iwae_images=2)
        metrics = evaluation.evaluate(servable, source, seed=0, options=options)
        assert {"kl_nats", "jsd_authors", "gnelbo"} <= set(metrics)
        assert ("mode_min_share" in metrics) == has_modes
        assert "knn5_accuracy_mean" not in metrics


def test_wrong_measure_and_wrong_shape_are_named(digits_model):
    servable, source, _ = digits_model
    with pytest.raises(UserError, match="metrics=fid: for digits, expected some of elbo"):
        evaluation.evaluate(servable, source, ("fid",))
    with pytest.raises(UserError, match="does not take examples of rings"):
        evaluation.evaluate(servable, registry.load("rings"))


@pytest.fixture(scope="module")
def defined_flags():
    if "saved_model" not in evaluate.flags.FLAGS:
        evaluate.define_flags()
    evaluate.flags.FLAGS(["evaluate"])


def test_command_writes_results(digits_model, defined_flags, tmp_path, capsys):
    _, _, path = digits_model
    output = tmp_path / "results.json"
    with flagsaver.flagsaver(saved_model=str(path), metrics=["components"], output=str(output)):
        evaluate.main()
    results = json.loads(output.read_text())
    assert results["dataset"] == "digits"
    assert results["epoch"] == 7
    assert results["seeds"] == [0]
    assert results["counts"]["num_posterior_samples"] == 100
    assert results["versions"]["tensorflow"] == tf.__version__
    assert set(results["metrics"]) == {
        "inactive_components",
        "inactive_components_by_responsibility",
        "assignment_entropy",
        "assignment_entropy_test_batches",
        "assignment_entropy_batch_size",
    }
    assert "assignment_entropy" in capsys.readouterr().out


def test_command_with_several_seeds_writes_their_spread(
    digits_model, defined_flags, tmp_path, capsys
):
    path, output = digits_model[2], tmp_path / "results.json"
    with flagsaver.flagsaver(
        saved_model=str(path), metrics=["elbo"], output=str(output), num_seeds=3
    ):
        evaluate.main()
    results = json.loads(output.read_text())
    assert results["seeds"] == [0, 1, 2]
    assert results["spread"]["elbo_test"] > 0
    assert "+-" in capsys.readouterr().out


def test_command_names_a_model_that_is_not_there(defined_flags, tmp_path):
    with (
        flagsaver.flagsaver(saved_model=str(tmp_path)),
        pytest.raises(UserError, match=r"no saved_model\.pb"),
    ):
        evaluate.main()
    with pytest.raises(UserError, match="--saved_model is needed"):
        evaluate.main()
