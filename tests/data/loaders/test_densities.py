"""The plane densities against their definitions, and their streams."""

import itertools

import numpy as np
import pytest

from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError

NAMES = ("8gaussians", "spiral", "checkerboard", "rings")
N = 20_000


@pytest.fixture(scope="module")
def draws():
    return {name: registry.load(name).examples("train", N) for name in NAMES}


@pytest.mark.parametrize(("name", "plot_range"), list(zip(NAMES, (2, 4, 4, 4), strict=True)))
def test_shape_labels_and_range(draws, name, plot_range):
    source, (x, y) = registry.load(name), draws[name]
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((N, 2), np.float32, (N,), np.int32)
    assert (
        source.plot_range == ((-plot_range, plot_range),) * 2
        and source.shape == (2,)
        and not source.is_image
    )
    assert source.num_train is None and source.steps_per_epoch(512) == 100
    assert (np.abs(x) < plot_range).mean() > 0.999
    counts = np.bincount(y, minlength=source.num_classes)
    assert len(counts) == source.num_classes == len(source.class_names)
    # Equally likely classes: each count within 5 standard deviations.
    p = 1 / source.num_classes
    assert np.abs(counts - N * p).max() < 5 * np.sqrt(N * p * (1 - p))


def test_8gaussians(draws):
    source, (x, y) = registry.load("8gaussians"), draws["8gaussians"]
    assert source.centres.shape == (8, 2)
    np.testing.assert_allclose(np.hypot(*source.centres.T), 2 / 1.414, rtol=1e-6)
    np.testing.assert_allclose(source.centres[1], [1.00010, 1.00010], atol=1e-4)
    noise = x - source.centres[y]
    assert abs(noise.mean()) < 5 * 0.02 / np.sqrt(2 * N)
    assert noise.std() == pytest.approx(0.02 / 1.414, rel=0.03)


def test_rings(draws):
    source, (x, y) = registry.load("rings"), draws["rings"]
    np.testing.assert_allclose(source.radii, [3, 2.25, 1.5, 0.75])
    radius = np.hypot(*x.T)
    for ring, expected in enumerate(source.radii):
        mine = radius[y == ring]
        # The mean distance of noise of deviation s around radius r is r + s^2 / (2 r).
        assert mine.mean() == pytest.approx(expected + 0.08**2 / (2 * expected), abs=0.006)
        assert mine.std() == pytest.approx(0.08, rel=0.06)
        angle = np.arctan2(*x[y == ring].T)
        assert abs(np.exp(1j * angle).mean()) < 5 / np.sqrt(len(mine))


def test_checkerboard(draws):
    x, y = draws["checkerboard"]
    column, row = np.divmod(y, 2)
    low = 2 * np.stack([column - 2, (column - 2) % 2 - 2 * row], -1)
    inside = (x - low) / 2  # uniform on the unit square
    assert inside.min() >= -1e-6 and inside.max() <= 1 + 1e-6
    np.testing.assert_allclose(inside.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(inside.var(0), 1 / 12, rtol=0.03)
    # Neighbouring squares are never both filled: floor(x1 / 2) + floor(x2 / 2) is even.
    assert (np.floor(x / 2).sum(-1) % 2 == 0).mean() > 0.999


def test_spiral(draws):
    x, y = draws["spiral"]
    # Arm 0 before scaling: (-cos(t) t + u / 2, sin(t) t + u' / 2), t = sqrt(u'') * 3 pi.
    arm = np.where(y[:, None] == 0, x, -x) * 3
    rng = np.random.default_rng(0)
    t = np.sqrt(rng.random(N)) * 3 * np.pi
    curve = np.stack([-np.cos(t) * t, np.sin(t) * t], -1) + rng.random((N, 2)) / 2
    expected = curve + 0.3 * rng.standard_normal((N, 2))
    np.testing.assert_allclose(arm.mean(0), expected.mean(0), atol=0.2)
    np.testing.assert_allclose(np.cov(arm.T), np.cov(expected.T), rtol=0.06, atol=0.5)
    ours, reference = (np.histogram(np.hypot(*a.T), 30, (0, 11))[0] for a in (arm, expected))
    assert np.abs(ours - reference).sum() / N < 0.06
    # The arms come in pairs of a point and its negation, each with noise of its own.
    assert (x[::2] + x[1::2]).std() == pytest.approx(0.1 * np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_batches_depend_on_seed_and_step_alone(name):
    source = registry.load(name)

    def take(count, **kwargs):
        batches = source.train_batches(12, **{"seed": 5, **kwargs})
        return [np.c_[x, y] for x, y in itertools.islice(batches, count)]

    whole = take(6)
    np.testing.assert_array_equal(take(2, start_step=4), whole[4:])
    shards = [take(1, start_step=3, num_shards=3, shard=i)[0] for i in range(3)]
    np.testing.assert_array_equal(np.concatenate(shards), whole[3])
    assert len({batch.tobytes() for batch in [*whole, *take(6, seed=6)]}) == 12


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_reproducible_and_disjoint_from_training(name):
    source = registry.load(name)
    assert len(source.examples("test").x) == 5000
    draws = [
        source.examples("test", 7).x,
        source.examples("train", 7).x,
        source.examples("test", 7, seed=1).x,
        next(iter(source.train_batches(7, 0)))[0].numpy(),
    ]
    np.testing.assert_array_equal(draws[0], source.examples("test", 7).x)
    assert len({x.tobytes() for x in draws}) == 4


def test_an_image_size_is_refused():
    with pytest.raises(UserError, match="image_size=32 has no meaning for 'rings'"):
        registry.load("rings", image_size=32)


@pytest.mark.parametrize("name", NAMES)
def test_a_fingerprint_survives_differences_between_processors(name):
    """Last digits may differ; none of the numbers that it is made of lies where these could change it."""
    source = registry.load(name)
    x = source.examples("train", 64).x * 100
    assert np.abs(x - np.floor(x) - 0.5).min() > 1e-4
    assert source.fingerprint() == registry.load(name).fingerprint()
    others = [registry.load(other).fingerprint() for other in NAMES if other != name]
    assert source.fingerprint() not in others
