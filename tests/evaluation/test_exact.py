"""Evaluation of a model whose metrics are known in closed form."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import Options
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.feature_networks import classifier

pytestmark = pytest.mark.usefixtures("short_training")
QUICK = Options(iwae_images=6, iwae_samples=2_000, gnelbo_grid=16, gnelbo_points=400)


def images(seed, shift=0.0):
    """A labelled source of 40 + 24 random images of 3 x 3."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.uniform(size=(64, 3, 3, 1)) + shift, 0, 1).astype(np.float32)
    y = np.arange(64, dtype=np.int32) % 2
    return ArraySource("noise", x[:40], y[:40], x[40:], y[40:])


@pytest.fixture
def short_training(monkeypatch):
    """The names and errors of image scores do not depend on how good the classifier is."""
    monkeypatch.setattr(classifier, "_STEPS", 20)


@pytest.fixture(scope="module")
def source():
    return images(0)


def test_iwae_of_an_exact_posterior_is_the_evidence(source):
    """All weights are then equal, whatever the samples."""
    model = LinearModel(source.shape)
    metrics = evaluation.evaluate(model, source, ("iwae",), options=QUICK)
    expected = model.log_evidence(source.examples("test", 6, seed=0).x)
    assert metrics["iwae_test"] == pytest.approx(expected.mean(), abs=1e-5)
    assert metrics["iwae_test_error"] == pytest.approx(expected.std() / np.sqrt(6), rel=1e-4)


def test_iwae_of_an_inexact_posterior_lies_between_elbo_and_evidence(source):
    model = LinearModel(source.shape, widening=1.5)
    metrics = evaluation.evaluate(model, source, ("iwae",), options=QUICK)
    x = source.examples("test", 6, seed=0).x
    evidence = model.log_evidence(x).mean()
    gap = model.latent_dim * (0.5 * (1.5**2 - 1) - np.log(1.5))  # KL(q || exact posterior)
    assert evidence - gap < metrics["iwae_test"] < evidence + 0.01
    assert metrics["iwae_test"] == pytest.approx(evidence, abs=0.05)


def test_iwae_and_drift_take_the_unclipped_mean_where_a_model_offers_it(source):
    """A model that clips what it decodes, here to nothing, has the metrics of one that does not."""
    model, clipped = LinearModel(source.shape), LinearModel(source.shape)
    clipped._functions["decode_unclipped"] = clipped._functions["decode"]
    clipped._functions["decode"] = lambda z: {"x": tf.zeros((len(z), *source.shape))}
    for name in ("iwae", "drift"):
        wanted = evaluation.evaluate(model, source, (name,), options=QUICK)
        assert evaluation.evaluate(clipped, source, (name,), options=QUICK) == wanted


def test_samples_with_batch_statistics_are_measured_on_request(source, tmp_path):
    model = LinearModel(source.shape, offset=0.5)
    options = Options(cache_dir=tmp_path, batch_statistics=True)
    without = evaluation.evaluate(model, source, ("sample_quality",), options=options)
    assert not [name for name in without if "batch_statistics" in name]
    model._functions["sample_batch_statistics"] = model._functions["sample"]
    both = evaluation.evaluate(model, source, ("sample_quality",), options=options)
    assert set(both) > set(without)
    name = "fid{}/noise-classifier"
    assert both[name.format("_batch_statistics")] == both[name.format("")]


def test_feature_networks_are_loaded_once_for_all_seeds(source, tmp_path, monkeypatch):
    loads, load = [], classifier.load
    monkeypatch.setattr(classifier, "load", lambda *a: loads.append(a) or load(*a))
    evaluation.measure(
        LinearModel(source.shape, offset=0.5),
        source,
        ("sample_quality", "reconstruction_quality"),
        seeds=(0, 1),
        options=Options(cache_dir=tmp_path),
    )
    assert len(loads) == 1


def test_drift_in_closed_form(source):
    """E(D(m)) = m scale^2 / (1 + scale^2), the variances alike: half the squared difference over them."""
    model = LinearModel(source.shape, scale=1.5, offset=0.3)
    mean = model.signatures["encode"](x=source.examples("test").x)["mean"].numpy()
    precision = 1 + 1.5**2
    expected = 0.5 * np.sum((mean / precision) ** 2 * precision, axis=1).mean()
    metrics = evaluation.evaluate(model, source, ("drift",))
    assert metrics["drift_test"] == pytest.approx(expected, rel=1e-5)


def test_ood_tells_brighter_images_apart(source):
    model = LinearModel(source.shape, scale=0.1, offset=0.5)
    for other, low, high in ((images(1, 5.0), 0.99, 1.0), (images(2), 0.2, 0.8)):
        options = Options(ood_source=other)
        metrics = evaluation.evaluate(model, source, ("ood",), options=options)
        assert low <= metrics["ood_auroc/noise"] <= high
    with pytest.raises(
        UserError, match=r"ood_dataset=rings has shape \(2,\): expected \(3, 3, 1\)"
    ):
        evaluation.evaluate(model, source, options=Options(ood_source=registry.load("rings")))


def test_gnelbo_agrees_with_closed_forms():
    """100 common noises leave the Monte Carlo KL within a few per cent of the exact one."""
    source, model = registry.load("rings"), LinearModel((2,))
    metrics = evaluation.evaluate(model, source, ("gnelbo",), options=QUICK)

    def loss(x):
        encoded = model.signatures["encode"](x=x)
        mean, logvar = (encoded[k].numpy() for k in ("mean", "logvar"))
        decoded = model.signatures["decode"](z=mean)["x"].numpy()
        kl = 0.5 * np.sum(np.exp(logvar) + mean**2 - 1 - logvar, axis=1)
        return np.sum((x - decoded) ** 2, axis=1) + kl

    axis = np.linspace(-4, 4, 16, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    at_data, at_grid = loss(source.examples("test", 400, 0).x), loss(grid)
    expected = at_data.mean() / (at_data.sum() + at_grid.sum())
    assert metrics["gnelbo"] == pytest.approx(expected, rel=0.05)


def test_elbo_of_an_exact_posterior_is_near_the_evidence(source):
    model = LinearModel(source.shape)
    metrics = evaluation.evaluate(model, source, ("elbo",))
    evidence = model.log_evidence(source.examples("train").x).mean()
    # The reconstruction is of one sample an example: its spread over 40 examples remains.
    assert metrics["elbo_train"] == pytest.approx(evidence, abs=0.6)


def test_seeds_give_mean_and_spread(source):
    model = LinearModel(source.shape, widening=1.5)
    outcome = evaluation.measure(model, source, ("elbo",), seeds=(4, 5, 6))
    single = [evaluation.evaluate(model, source, ("elbo",), seed=s)["elbo_test"] for s in (4, 5, 6)]
    assert outcome.metrics["elbo_test"] == pytest.approx(np.mean(single), rel=1e-12)
    assert outcome.spread["elbo_test"] == pytest.approx(np.std(single, ddof=1), rel=1e-9)
    assert outcome.seeds == [4, 5, 6]


def test_image_scores_bear_the_name_of_their_network(source, tmp_path):
    model = LinearModel(source.shape, offset=0.5)
    options = Options(cache_dir=tmp_path)
    names = ("sample_quality", "reconstruction_quality")
    outcome = evaluation.measure(model, source, names, (0,), options=options)
    distances = ["fid", "kid_standardised"]
    distances += [
        f"{s}{k}"
        for s in ("precision", "recall", "density", "coverage")
        for k in ("", "_k3", "_k5")
    ]
    expected = {f"{d}{s}" for d in distances for s in ("", "_reconstruction", "_floor")}
    expected |= {"kid_standardised_error", "kid_standardised_error_reconstruction"}
    assert set(outcome.metrics) == {f"{name}/noise-classifier" for name in expected}
    assert outcome.counts["num_real"] == 40 and outcome.counts["num_floor"] == 20
    assert outcome.counts["precision_neighbours_with_itself"] == 4
    assert 0 <= outcome.networks["noise-classifier"]["test_accuracy"] <= 1
    again = evaluation.measure(model, source, names, (0,), options=options)
    assert again == outcome  # from the cache, to the last digit


def test_one_generated_batch_size_does_not_change_a_streams_independence(source):
    """Batches of samples are drawn from different seeds."""
    context = Context(LinearModel(source.shape), source)
    context.batch_size = 5
    samples = context.samples(12)
    assert samples.shape == (12, 3, 3, 1)
    assert len(np.unique(samples.reshape(12, -1), axis=0)) == 12


def test_data_too_few_for_a_metric_are_one_line(tmp_path):
    x, y = np.zeros((4, 3, 3, 1), np.float32), np.arange(4, dtype=np.int32) % 2
    tiny = ArraySource("tiny", x, y, x, y)
    with pytest.raises(UserError, match="metrics sample_quality on tiny: 4 and 4 examples"):
        evaluation.evaluate(
            LinearModel((3, 3, 1)), tiny, ("sample_quality",), options=Options(cache_dir=tmp_path)
        )
    with pytest.raises(UserError, match="feature_networks=vgg: expected some of classifier"):
        evaluation.evaluate(
            LinearModel((3, 3, 1)), tiny, options=Options(feature_networks=("vgg",))
        )


def test_the_page_names_every_measure_and_every_figure(source, tmp_path):
    """docs/evaluation.md keeps up with the metrics."""
    page = (pathlib.Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    options = Options(ood_source=source)
    names = {n for s in (source, registry.load("rings")) for n in evaluation.applicable(s, options)}
    assert {n for n in names if f"| `{n}` |" not in page} == set()
    quick = Options(cache_dir=tmp_path, iwae_images=2, iwae_samples=10, ood_source=source)
    metrics = evaluation.evaluate(LinearModel(source.shape), source, options=quick)
    ends = r"(_k3|_k5)?(_error)?(_reconstruction|_floor)?$"  # told once for all scores
    families = {re.sub(ends, "", name.split("/")[0]) for name in metrics}
    stems = {re.sub(r"_(test|train|sampled|mean)$", "", name) for name in families}
    told = "accuracy"  # the table of probes
    assert {s for s in stems if s not in page and not s.endswith(told)} == set()
