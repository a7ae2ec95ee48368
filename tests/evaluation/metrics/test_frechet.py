"""Frechet distance against SciPy's matrix root, closed forms and degenerate sets."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from tf_sintrovae.evaluation.metrics import frechet

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(400, 12)) @ RNG.normal(size=(12, 12))
FAKE = 0.5 + RNG.normal(size=(300, 12)) @ RNG.normal(size=(12, 12))


def distance(real, fake):
    return frechet.frechet_distance(frechet.statistics(real), frechet.statistics(fake))["frechet"]


def test_agrees_with_scipys_matrix_root():
    c1, c2 = np.cov(REAL, rowvar=False), np.cov(FAKE, rowvar=False)
    shift = REAL.mean(axis=0) - FAKE.mean(axis=0)
    expected = shift @ shift + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert distance(REAL, FAKE) == pytest.approx(expected, rel=1e-9)
    assert distance(FAKE, REAL) == pytest.approx(expected, rel=1e-9)


def test_one_dimension_by_hand():
    """(m1 - m2)^2 + (s1 - s2)^2, here 3^2 + (sqrt(2) - 2 sqrt(2))^2."""
    real, fake = np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])
    assert distance(real, fake) == pytest.approx(9.0 + 2.0, rel=1e-12)


def test_batches_give_the_statistics_of_the_whole():
    shifted = REAL + 1e4
    total = frechet.GaussianStatistics()
    for part in np.split(shifted, [1, 7, 150, 150]):
        total.update(part)
    assert total.count == 400
    np.testing.assert_allclose(total.mean, shifted.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(total.covariance, np.cov(shifted, rowvar=False), rtol=1e-9)


def test_float32_features_are_summed_in_float64():
    features = (REAL + 100).astype(np.float32)
    expected = np.cov(features.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(frechet.statistics(features, 64).covariance, expected, rtol=1e-9)


def test_identical_and_constant_sets_have_no_distance():
    assert distance(REAL, REAL) == pytest.approx(0.0, abs=1e-9 * np.trace(np.cov(REAL.T)))
    constant = np.ones((5, 3))
    assert distance(constant, constant) == 0.0
    assert distance(constant, constant + 2.0) == pytest.approx(12.0, rel=1e-12)


def test_fewer_examples_than_features():
    """Singular covariances; rank-one sets along different axes share nothing."""
    real, fake = np.zeros((2, 3)), np.zeros((2, 3))
    real[:, 0], fake[:, 1] = [-1, 1], [-1, 1]
    assert distance(real, fake) == pytest.approx(4.0, rel=1e-12)


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="1 examples: expected at least 2"):
        distance(REAL[:1], FAKE)
    with pytest.raises(ValueError, match="12 against 5 features"):
        distance(REAL, FAKE[:, :5])
    with pytest.raises(ValueError, match="finite matrix"):
        frechet.statistics(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="5 features a row: expected 12"):
        frechet.statistics(REAL).update(FAKE[:, :5])


def test_a_failed_root_is_reported():
    class Indefinite(frechet.GaussianStatistics):
        mean, covariance = np.zeros(2), np.diag([1.0, -1.0])

    with pytest.raises(ArithmeticError, match="matrix square root failed: eigenvalue -1"):
        frechet.frechet_distance(Indefinite(), Indefinite())
