"""A metric that fails is told and costs no other; what was measured is kept."""

import json

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver

from tests.support.linear_model import LinearModel
from tf_sintrovae import command, evaluate, evaluation
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import Options, groups, results

X = np.random.default_rng(0).uniform(size=(40, 3, 3, 1)).astype(np.float32)
SOURCE = ArraySource("noise", X, x_test=X)
NAMES = ("elbo", "drift", "active_units")
ERRORS = [
    (ValueError("too few\n examples"), "too few examples"),
    (UserError("no cache: give another"), "no cache: give another"),
    (MemoryError(), "MemoryError"),
    (tf.errors.ResourceExhaustedError(None, None, "OOM"), "ResourceExhaustedError: OOM"),
    (KeyError("lost"), "KeyError: 'lost'"),
]


def fail(error):
    def metric(context):
        raise error

    return metric


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=lambda value: type(value).__name__)
def test_a_metric_that_fails_is_named_and_the_others_go_on(error, text, monkeypatch):
    monkeypatch.setitem(groups._ANY, "drift", fail(error))
    outcome = evaluation.measure(LinearModel((3, 3, 1)), SOURCE, NAMES)
    assert outcome.errors == {"drift": text}
    assert {"elbo_test", "active_units"} <= set(outcome.metrics)
    assert not [name for name in outcome.metrics if name.startswith("drift")]
    assert results.table(outcome).splitlines()[-1].split() == ["drift", "failed:", *text.split()]
    assert results.collect_results(outcome, SOURCE, 0, 1, 1)["errors"] == outcome.errors
    with pytest.raises(
        UserError, match=r"metrics drift on noise: .*; leave them out with --metrics"
    ):
        evaluation.evaluate(LinearModel((3, 3, 1)), SOURCE, NAMES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_figure_that_is_no_number_is_a_failure(value, monkeypatch):
    monkeypatch.setitem(groups._ANY, "drift", lambda context: {"drift_test": value})
    outcome = evaluation.measure(LinearModel((3, 3, 1)), SOURCE, NAMES)
    assert outcome.errors == {"drift": f"drift_test is {value}"}
    json.dumps(results.collect_results(outcome, SOURCE, 0, 1, 1), allow_nan=False)


def test_a_metric_that_fails_with_a_later_seed_has_no_values(monkeypatch):
    tried = []

    def drift(context):
        tried.append(context.seed)
        if context.seed == 1:
            raise ValueError("unlucky")
        return {"drift_test": 1.0}

    monkeypatch.setitem(groups._ANY, "drift", drift)
    outcome = evaluation.measure(LinearModel((3, 3, 1)), SOURCE, NAMES, seeds=(0, 1, 2))
    assert tried == [0, 1]
    assert outcome.errors == {"drift": "unlucky"}
    assert "drift_test" not in outcome.metrics and outcome.spread["elbo_test"] > 0


def test_each_measure_is_recorded_as_soon_as_it_is_taken(tmp_path):
    kept, path = [], tmp_path / "results.json"
    write = results.recorder(
        lambda outcome: results.collect_results(outcome, SOURCE, 0, 1, 1), path
    )

    def record(outcome):
        write(outcome)
        kept.append(json.loads(path.read_text()))

    evaluation.measure(LinearModel((3, 3, 1)), SOURCE, NAMES, record=record)
    assert [told["partial"] for told in kept] == [True] * 3
    for told, last in zip(kept, ("mse_test", "drift_test", "active_units_share"), strict=True):
        assert list(told["metrics"])[-1] == last


@pytest.fixture(scope="module")
def defined_flags():
    if "saved_model" not in evaluate.flags.FLAGS:
        evaluate.define_flags()
    evaluate.flags.FLAGS(["evaluate"])


@pytest.fixture
def saved_model(tmp_path):
    """An export of a model of the digits, with settings of its run."""
    path = tmp_path / "saved_model"
    LinearModel((8, 8, 1), offset=0.3).save(path)
    settings = {"dataset": "digits", "batch_size": 32, "seed": 3}
    info = {"step": 5, "epoch": 2, "settings": settings}
    (path / "model_info.json").write_text(json.dumps(info))
    return path


def test_evaluate_takes_data_and_batch_size_from_the_run(saved_model, defined_flags, monkeypatch):
    loads, load = [], registry.load
    monkeypatch.setattr(registry, "load", lambda *a: loads.append(a) or load(*a))
    for flags, size in (({}, 32), ({"entropy_batch_size": 50}, 50)):
        with flagsaver.flagsaver(saved_model=str(saved_model), metrics=["components"], **flags):
            evaluate.main()
        results = json.loads((saved_model.parent / "results.json").read_text())
        assert results["metrics"]["assignment_entropy_batch_size"] == size
        assert results["counts"]["entropy_batch_size"] == size
        assert (results["epoch"], results["seed"], "partial" in results) == (2, 0, False)
    assert loads == [("digits", None, None, 3, 8.0)] * 2  # split as in the run


def test_evaluate_ends_with_its_own_code_when_a_metric_fails(
    saved_model, defined_flags, monkeypatch, capsys
):
    monkeypatch.setitem(groups._ANY, "elbo", fail(ValueError("broken")))
    flags = {"saved_model": str(saved_model), "metrics": ["elbo", "active_units"]}
    with flagsaver.flagsaver(**flags), pytest.raises(SystemExit) as ended:
        evaluate.main()
    assert ended.value.code == command.INCOMPLETE_EXIT_CODE == 3
    out, err = capsys.readouterr()
    assert "failed: broken" in out
    assert err.splitlines()[-1].startswith("error: failed: elbo ")
    results = json.loads((saved_model.parent / "results.json").read_text())
    assert results["errors"] == {"elbo": "broken"} and "active_units" in results["metrics"]


def test_an_evaluation_that_is_interrupted_keeps_what_it_measured(
    saved_model, defined_flags, monkeypatch
):
    monkeypatch.setitem(groups._ANY, "drift", fail(KeyboardInterrupt()))
    flags = {"saved_model": str(saved_model), "metrics": list(NAMES)}
    with flagsaver.flagsaver(**flags), pytest.raises(KeyboardInterrupt):
        evaluate.main()
    results = json.loads((saved_model.parent / "results.json").read_text())
    assert results["partial"] and "elbo_test" in results["metrics"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"step": 5, "epo',
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"[" * 100_000,
        b'{"settings": 3}',
        b'{"settings": {"batch_size": 0}}',
        b'{"settings": {"batch_size": "many"}}',
        b'{"settings": {"dataset": 7}}',
        b'{"step": "far"}',
    ],
)
def test_a_damaged_model_info_is_one_clear_line(content, defined_flags, tmp_path):
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "model_info.json").write_bytes(content)
    with (
        flagsaver.flagsaver(saved_model=str(tmp_path)),
        pytest.raises(UserError, match=r"model_info.json is damaged .*: export the run again"),
    ):
        evaluate.main()


def test_networks_that_cannot_be_had_are_told_before_the_long_work(tmp_path, monkeypatch):
    monkeypatch.setattr(Options, "cache", property(lambda self: pytest.fail("work was begun")))
    source = ArraySource("noise", X, np.arange(40) % 2, X, np.arange(40) % 2)
    monkeypatch.setattr("tf_sintrovae.evaluation.feature_networks.classifier.load", lambda *a: None)
    options = Options(feature_networks=("inception-2015",))
    outcome = evaluation.measure(
        LinearModel((3, 3, 1)), source, ("sample_quality",), options=options
    )
    assert "--inception_path" in outcome.errors["sample_quality"]
