"""Metrics do not depend on the order in which a data set is stored, class by class or mixed."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.evaluation import Options, images
from tf_sintrovae.evaluation.feature_networks import classifier

SEEDS = range(8)


class Model(LinearModel):
    """With four components, of which each class of the data uses others."""

    def _responsibilities(self, z):
        values = super()._responsibilities(z)
        return values | {"responsibilities": tf.nn.softmax(3.0 * z[:, :4])}

    def _prior(self):
        zeros = tf.zeros((4, self.latent_dim))
        return {"loc": zeros, "logvar": zeros, "log_weights": tf.fill([4], -float(np.log(4.0)))}


def bars(count, seed):
    """Images [10 * count, 4, 4, 1] of ten classes, class by class; each has its bright pixel."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(10, dtype=np.int32), count)
    x = rng.uniform(0, 0.3, size=(len(y), 16))
    x[np.arange(len(y)), y] += 0.3 + 0.04 * y
    return x.reshape(-1, 4, 4, 1).astype(np.float32), y


def shuffle(x, y):
    order = np.random.default_rng(9).permutation(len(x))
    return x[order], y[order]


def outcomes(train, test, model, metrics, options):
    """Outcomes on data as they are stored and on the same data mixed."""
    shape = train[0].shape[1:]
    for splits in ((train, test), (shuffle(*train), shuffle(*test))):
        source = ArraySource("ordered", *splits[0], *splits[1])
        assert source.shape == shape
        yield evaluation.measure(model, source, metrics, SEEDS, options=options)


def assert_agree(stored, other):
    """Means over the seeds differ by what chance allows: one comparison of all in a thousand runs exceeds it.

    Student's t for the seeds of both sides, since a spread seen over few seeds is itself uncertain.
    """
    assert stored.errors == other.errors == {}
    assert stored.counts == other.counts
    assert set(stored.metrics) == set(other.metrics)
    seeds = len(stored.seeds)
    quantile = scipy.stats.t.isf(1e-3 / (2 * len(stored.metrics)), df=2 * (seeds - 1))
    for name, value in stored.metrics.items():
        spread = np.hypot(stored.spread[name], other.spread[name])
        margin = quantile * spread / np.sqrt(seeds) + 1e-4 * abs(value)
        assert other.metrics[name] == pytest.approx(value, abs=margin), name


def test_metrics_of_sorted_data_are_those_of_the_same_data_mixed(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 60)
    monkeypatch.setattr(images, "_CLASSIFIER_EXAMPLES", 300)
    options = Options(num_images=200, iwae_images=30, iwae_samples=20, cache_dir=tmp_path)
    options = dataclasses.replace(options, entropy_batch_size=20, num_posterior_samples=10)
    model = Model((4, 4, 1), latent_dim=6, scale=3.0, offset=0.2)
    assert_agree(*outcomes(bars(70, 0), bars(20, 1), model, None, options))


def test_classes_of_patches_which_are_stored_photograph_by_photograph_are_found(monkeypatch):
    """The first 10,000 of them are crops of one photograph."""
    monkeypatch.setattr(images, "_CLASSIFIER_EXAMPLES", 200)
    source = registry.load("patches")
    options = Options(num_class_samples=100)
    model = LinearModel(source.shape, offset=0.5)
    outcome = evaluation.measure(model, source, ("class_coverage",), options=options)
    assert outcome.errors == {}
    assert outcome.counts["class_coverage_train"] == 200
    assert outcome.metrics["sample_classes_found"] in (1, 2)


@pytest.mark.slow
def test_metrics_of_patches_are_those_of_the_same_patches_mixed(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 100)
    monkeypatch.setattr(images, "_CLASSIFIER_EXAMPLES", 300)
    source = registry.load("patches")
    train, test = (source.examples(split) for split in ("train", "test"))
    options = Options(num_images=500, iwae_images=20, iwae_samples=20, cache_dir=tmp_path)
    metrics = ("iwae", "class_coverage", "sample_quality", "reconstruction_quality")
    model = LinearModel(source.shape, latent_dim=8, scale=3.0, offset=0.5)
    assert_agree(*outcomes(train, test, model, metrics, options))
