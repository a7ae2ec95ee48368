"""Bounds, Gaussians, detection, active units and gnELBO: SciPy, closed forms, hand-worked cases."""

import numpy as np
import pytest
import tensorflow_probability as tfp
from scipy.stats import mannwhitneyu, multivariate_normal

from tf_sintrovae.evaluation.metrics import detection, gaussians, gnelbo, importance, latent_units

RNG = np.random.default_rng(0)


def test_importance_bound_by_hand():
    weights = np.log([[1.0, 2.0], [3.0, 2.0]])
    bounds = importance.importance_weighted_bound(weights)
    np.testing.assert_allclose(bounds, np.log([2.0, 2.0]), rtol=1e-15)
    # Far below what exp could hold.
    low = importance.importance_weighted_bound(weights - 1e5)
    np.testing.assert_allclose(low, np.log(2.0) - 1e5, rtol=1e-15)
    with pytest.raises(ValueError, match="S at least 1"):
        importance.importance_weighted_bound(np.zeros((0, 3)))


def test_importance_bound_tightens_to_the_evidence():
    """p(z) = N(0,1), p(x|z) = N(z,1), q = N(0, 1): log p(x) is known."""
    x, z = 1.3, RNG.normal(size=(200_000, 1))
    weights = gaussians.log_prob(np.array([x]), z, np.zeros(1))[:, None]
    evidence = multivariate_normal(0, 2).logpdf(x)
    assert importance.importance_weighted_bound(weights)[0] == pytest.approx(evidence, abs=0.01)
    assert weights.mean() < evidence - 0.2  # the ELBO is loose with this q


def test_log_prob_agrees_with_scipy():
    z, mean, logvar = RNG.normal(size=(3, 4))
    expected = multivariate_normal(mean, np.diag(np.exp(logvar))).logpdf(z)
    assert gaussians.log_prob(z, mean, logvar) == pytest.approx(expected, rel=1e-12)


def test_kl_divergence_agrees_with_tfp_and_vanishes_for_equals():
    mean_p, logvar_p, mean_q, logvar_q = RNG.normal(size=(4, 5, 3))
    tfd = tfp.distributions
    p, q = (
        tfd.MultivariateNormalDiag(m, np.exp(0.5 * v))
        for m, v in ((mean_p, logvar_p), (mean_q, logvar_q))
    )
    values = gaussians.kl_divergence(mean_p, logvar_p, mean_q, logvar_q)
    np.testing.assert_allclose(values, p.kl_divergence(q), rtol=1e-10)
    assert np.all(gaussians.kl_divergence(mean_p, logvar_p, mean_p, logvar_p) == 0.0)


def test_auroc_agrees_with_the_rank_statistic():
    inside, outside = RNG.normal(1, 1, 80).round(1), RNG.normal(0, 1, 50).round(1)
    expected = mannwhitneyu(inside, outside).statistic / (80 * 50)
    assert detection.auroc(inside, outside) == pytest.approx(expected, rel=1e-12)
    assert detection.auroc(np.ones(3), np.ones(4)) == 0.5
    assert detection.auroc(np.ones(3), np.zeros(4)) == 1.0
    with pytest.raises(ValueError, match="3 and 0 scores"):
        detection.auroc(np.ones(3), np.ones(0))


def test_active_units_by_hand():
    mean = np.array([[0.0, 1.0, 0.0], [0.0, 1.1, 0.3]])  # variances 0, 0.0025, 0.0225
    assert latent_units.active_units(mean) == {
        "active_units": 1.0,
        "active_units_share": pytest.approx(1 / 3),
    }
    with pytest.raises(ValueError, match="1 examples"):
        latent_units.active_units(mean[:1])


def test_gnelbo_by_hand():
    assert gnelbo.normalise_by_grid(np.array([1.0, 3.0]), np.full(4, 4.0)) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="0 points"):
        gnelbo.normalise_by_grid(np.zeros(0), np.ones(4))


def test_the_grid_fills_the_square():
    points = gnelbo.grid(((-2.0, 2.0), (-2.0, 2.0)), 3)
    assert points.shape == (9, 2)
    assert {tuple(p) for p in points} == {(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)}
