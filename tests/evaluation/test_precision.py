"""Runs in half precision and in full share a cache: none spoils the features of another."""

import json

import keras
import numpy as np
import pytest

from tests.support.runs import run
from tf_sintrovae import build, evaluation
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.evaluation import Options
from tf_sintrovae.evaluation.feature_networks import classifier
from tf_sintrovae.serving import export

PRECISIONS = ("bfloat16", "float16", "off")
TINY = {"dataset": "digits", "widths": (3,), "latent_dim": 2, "num_components": 3}
SHORT = {"epochs": 1, "vae_epochs": 1}  # one stage: compiling is what takes the time


@pytest.fixture(autouse=True)
def keras_as_before():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def short_training(monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 20)


def entries(cache):
    """Bytes of all entries of a cache by their names."""
    return {path.name: path.read_bytes() for path in cache.rglob("*.npz")}


@pytest.fixture(scope="module")
def digits():
    """Some of the digits."""
    splits = [registry.load("digits").examples(split, 100) for split in ("train", "test")]
    return ArraySource("digits", *splits[0], *splits[1])


@pytest.fixture(scope="module")
def models(digits):
    """Untrained models by the precision of their networks."""
    configs = {name: Config(mixed_precision=name, **TINY) for name in PRECISIONS}
    return {
        name: export.Servable(build.build_model(config, digits), (0.0, 1.0))
        for name, config in configs.items()
    }


def test_a_cache_serves_all_precisions_in_any_order(digits, models, short_training, tmp_path):
    def evaluate(precision, cache):
        # As a run does that leaves Keras set to its precision.
        keras.config.set_dtype_policy("float32" if precision == "off" else f"mixed_{precision}")
        options = Options(cache_dir=cache)
        return evaluation.measure(models[precision], digits, ("sample_quality",), options=options)

    evaluate("off", tmp_path / "fresh")
    fresh = entries(tmp_path / "fresh")
    assert len(fresh) == 2  # a classifier and its features
    for order in (PRECISIONS, PRECISIONS[1:] + PRECISIONS[:1]):
        cache = tmp_path / "-".join(order)
        for precision in order:
            outcome = evaluate(precision, cache)
            assert outcome.errors == {}
            assert np.isfinite(list(outcome.metrics.values())).all()
            assert entries(cache) == fresh, (order, precision)


@pytest.mark.slow
@pytest.mark.parametrize("order", [PRECISIONS, PRECISIONS[::-1]], ids="-".join)
def test_runs_of_all_precisions_are_measured_in_one_cache(
    order, short_training, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = []
    for precision in order:
        run(tmp_path / precision, batch_size=64, mixed_precision=precision, **SHORT | TINY)
        results = json.loads((tmp_path / precision / "results.json").read_text())
        assert results["errors"] == {} and "fid/digits-classifier" in results["metrics"]
        assert np.isfinite(list(results["metrics"].values())).all()
        kept.append(entries(tmp_path / "cache"))
    assert len(kept[0]) == 2 and kept[0] == kept[1] == kept[2]
