"""Kernel distance against scikit-learn's polynomial kernel."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from tf_sintrovae.evaluation.metrics import kernel_distance

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(60, 6)), RNG.normal(0.4, 1.3, size=(40, 6))


def reference(x, y):
    """Unbiased MMD^2, by sums over pairs."""
    kernels = [polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (y, y), (x, y))]
    n, m = len(x), len(y)
    within = [(k[~np.eye(len(k), dtype=bool)]).sum() for k in kernels[:2]]
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * kernels[2].mean()


def test_estimate_agrees_with_the_reference():
    assert kernel_distance.squared_mmd(REAL, FAKE) == pytest.approx(
        reference(REAL, FAKE), rel=1e-10
    )
    single = kernel_distance.squared_mmd(REAL.astype(np.float32), FAKE.astype(np.float32))
    assert single == pytest.approx(reference(REAL, FAKE), rel=1e-5)


def test_subsets_average_to_the_estimate_within_their_error():
    metrics = kernel_distance.kernel_distance(REAL, FAKE, num_subsets=400, size=30)
    assert abs(metrics["kernel"] - reference(REAL, FAKE)) < 5 * metrics["kernel_error"]
    assert metrics["kernel_error"] > 0


def test_unbiased_for_equal_distributions_and_seeded():
    x, y = RNG.normal(size=(2, 2000, 4))
    metrics = kernel_distance.kernel_distance(x, y, seed=3, size=200)
    assert abs(metrics["kernel"]) < 0.02
    assert metrics == kernel_distance.kernel_distance(x, y, seed=3, size=200)
    assert metrics != kernel_distance.kernel_distance(x, y, seed=4, size=200)


def test_constant_features_differ_by_a_closed_form():
    """k(a,a) + k(b,b) - 2 k(a,b) with a = 0, b = 1: 1 + 8 - 2."""
    metrics = kernel_distance.kernel_distance(np.zeros((8, 3)), np.ones((8, 3)))
    assert metrics == {"kernel": pytest.approx(7.0), "kernel_error": pytest.approx(0.0)}


def test_standardised_features_give_the_same_distance_on_any_scale():
    scaled = [1e4 * points * np.array([1, 2, 3, 1, 2, 3]) + 7e4 for points in (REAL, FAKE)]
    pairs = [kernel_distance.standardise(real, real, fake) for real, fake in ((REAL, FAKE), scaled)]
    np.testing.assert_allclose(pairs[0][0].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(pairs[0][0].std(axis=0), 1, rtol=1e-5)
    distances = [kernel_distance.squared_mmd(*pair) for pair in pairs]
    assert distances[1] == pytest.approx(distances[0], rel=1e-3)
    assert 0.01 < distances[0] < 10


def test_a_unit_that_hardly_fires_in_the_data_does_not_decide_alone():
    """One example that fires it must not make sets of equal distribution differ."""
    real, other = np.random.default_rng(1).normal(size=(2, 500, 16))
    real[:, 3] = other[:, 3] = 0.0
    real[0, 3], other[0, 3] = 0.02, 3.0
    assert abs(kernel_distance.squared_mmd(*kernel_distance.standardise(real, real, other))) < 0.1


def test_features_that_are_constant_in_the_data_do_not_divide_by_zero():
    real, fake = np.zeros((2, 50, 2))
    real[:, 0], fake[:, 0] = np.linspace(-6, 6, 50), np.linspace(-6, 6, 50)
    fake[:, 1] = 2.0
    shifted = kernel_distance.standardise(real, fake)[0]
    np.testing.assert_allclose(shifted[:, 1], 20 / real.std(axis=0).mean(), rtol=1e-5)
    constant = np.full((20, 3), 7.0)
    np.testing.assert_array_equal(
        kernel_distance.standardise(constant, constant + 1)[0], np.ones((20, 3))
    )


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="expected at least 4 of each"):
        kernel_distance.kernel_distance(REAL[:1], FAKE)
    with pytest.raises(ValueError, match="expected the same network"):
        kernel_distance.kernel_distance(REAL[:, :2], FAKE)
