"""The real images of a comparison, their floor, and where it is printed."""

import numpy as np
import pytest

from tests.support.linear_model import LinearModel
from tf_sintrovae import evaluation
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.evaluation import Options, results
from tf_sintrovae.evaluation.feature_networks import classifier
from tf_sintrovae.evaluation.reference import Reference


def source(count):
    """Distinct random images [count, 3, 3, 1] of four classes, class by class."""
    x = np.random.default_rng(0).uniform(size=(count, 3, 3, 1)).astype(np.float32)
    y = np.repeat(np.arange(4, dtype=np.int32), count // 4)
    return ArraySource("noise", x, y, x[:40], y[:40])


@pytest.mark.parametrize(
    ("num_images", "compared", "half"),
    [(1000, 400, 200), (400, 400, 200), (300, 300, 200), (200, 200, 200), (80, 80, 80)],
)
def test_halves_are_disjoint_and_as_large_as_what_is_compared_where_the_data_allow(
    num_images, compared, half
):
    data = source(400)
    reference = Reference(data, num_images, seed=1)
    first, second = reference.halves
    assert (len(reference.compared), len(first), len(second)) == (compared, half, half)
    assert not set(first) & set(second)
    everything = data.examples("train")
    labels = dict(zip(map(bytes, (255 * everything.x).astype(np.uint8)), everything.y, strict=True))
    for rows in (reference.compared, first, second):
        classes = [labels[bytes(image)] for image in reference.pixels[rows]]
        assert np.bincount(classes).tolist() == [len(rows) // 4] * 4
    if half == compared:  # the floor is that of the very images that are compared
        np.testing.assert_array_equal(first, reference.compared)


def test_compared_batches_are_the_images_to_compare_as_they_are_stored(monkeypatch):
    monkeypatch.setattr("tf_sintrovae.evaluation.reference._READ_BATCH", 7)
    reference = Reference(source(400), 50, seed=0)
    images = np.concatenate(list(reference.compared_batches()))
    pixels = np.clip(255 * images, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(pixels, reference.pixels[reference.compared])


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Scores of a model that reconstructs well, on some of the images."""
    data, model = source(400), LinearModel((3, 3, 1), 9, scale=30.0, widening=1e-3)
    options = Options(num_images=100, cache_dir=tmp_path_factory.mktemp("cache"))
    names = ("sample_quality", "reconstruction_quality")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "_STEPS", 50)
        return evaluation.measure(model, data, names, options=options)


def test_reconstructions_are_of_the_images_that_they_are_compared_with(outcome):
    """Else they could be no nearer to them than other real images are."""
    metrics = outcome.metrics
    assert (
        metrics["fid_reconstruction/noise-classifier"] < 0.2 * metrics["fid_floor/noise-classifier"]
    )
    assert metrics["precision_reconstruction/noise-classifier"] > 0.95


def test_floors_are_of_the_counts_that_are_told(outcome):
    assert outcome.counts["num_real"] == outcome.counts["num_floor"] == 100
    assert (
        outcome.metrics["fid/noise-classifier"] > outcome.metrics["fid_floor/noise-classifier"] > 0
    )
    assert 0.5 < outcome.metrics["coverage_floor/noise-classifier"] <= 1


def test_the_table_has_floors_beside_scores(outcome):
    lines = {line.split()[0]: line for line in results.table(outcome).splitlines()}
    floor = f"{outcome.metrics['fid_floor/noise-classifier']:.6g}"
    for name in ("fid/noise-classifier", "fid_reconstruction/noise-classifier"):
        assert lines[name].endswith(f"(real against real: {floor})")
    assert not [name for name in lines if "floor" in name]
    assert "real against real" not in lines["kid_standardised_error/noise-classifier"]


def test_images_too_few_for_a_floor_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 5)
    outcome = evaluation.measure(
        LinearModel((3, 3, 1), offset=0.5),
        source(8),
        ("sample_quality",),
        options=Options(cache_dir=tmp_path),
    )
    assert outcome.errors == {} and outcome.counts["num_floor"] == 4
    assert "fid/noise-classifier" in outcome.metrics
    assert not [name for name in outcome.metrics if "floor" in name]


def test_a_network_with_a_scale_of_its_own_keeps_the_plain_kernel_distance(tmp_path, monkeypatch):
    from tf_sintrovae.evaluation.feature_networks import inception
    from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork

    flat = FeatureNetwork("inception-2015", "f", lambda x: x.reshape(len(x), -1).astype(np.float32))
    monkeypatch.setattr(inception, "original", lambda path: flat)
    options = Options(cache_dir=tmp_path, feature_networks=("inception-2015",), num_images=50)
    model = LinearModel((3, 3, 1), offset=0.5)
    metrics = evaluation.evaluate(model, source(400), ("sample_quality",), options=options)
    assert {"kid/inception-2015", "kid_error/inception-2015", "kid_floor/inception-2015"} <= set(
        metrics
    )
    assert not [name for name in metrics if "standardised" in name]
