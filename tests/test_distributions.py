"""The mixture prior as a TFP distribution, against TFP's own."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.kernels import problems
from tf_sintrovae.distributions import DiagonalGaussianMixture


@pytest.fixture
def problem():
    return problems.as_tensors(problems.random_problem(np.random.default_rng(0), N=12), tf.float64)


@pytest.fixture
def pair(problem):
    parameters = problem[1:]
    return DiagonalGaussianMixture(*parameters), problems.tfp_mixture(*parameters)


def test_is_a_mixture_with_the_shapes_of_one(pair):
    ours, theirs = pair
    assert isinstance(ours, tfp.distributions.MixtureSameFamily)
    assert ours.event_shape == theirs.event_shape == (3,)
    assert ours.batch_shape == theirs.batch_shape == ()
    assert ours.dtype == tf.float64


def test_moments(pair):
    ours, theirs = pair
    for name in ("mean", "variance", "covariance"):
        np.testing.assert_allclose(getattr(ours, name)(), getattr(theirs, name)(), atol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (12, 3), (2, 6, 3)])
def test_densities_and_posteriors(pair, problem, shape):
    ours, theirs = pair
    z = tf.reshape(problem[0], (-1, 3))[: int(np.prod(shape)) // 3]
    z = tf.reshape(z, shape)
    np.testing.assert_allclose(ours.log_prob(z), theirs.log_prob(z), atol=1e-10)
    np.testing.assert_allclose(ours.prob(z), theirs.prob(z), atol=1e-10)
    posterior = ours.posterior_marginal(z)
    assert isinstance(posterior, tfp.distributions.Categorical)
    wanted = theirs.posterior_marginal(z).probs_parameter()
    np.testing.assert_allclose(posterior.probs_parameter(), wanted, atol=1e-10)
    np.testing.assert_array_equal(ours.posterior_mode(z), theirs.posterior_mode(z))


def test_mean_responsibilities(pair, problem):
    ours, theirs = pair
    density, mean = ours.log_prob_and_mean_responsibilities(problem[0])
    np.testing.assert_allclose(density, theirs.log_prob(problem[0]), atol=1e-10)
    wanted = tf.reduce_mean(theirs.posterior_marginal(problem[0]).probs_parameter(), axis=0)
    np.testing.assert_allclose(mean, wanted, atol=1e-10)


@pytest.mark.parametrize("shape", [(), 5, (2, 4)])
def test_samples(pair, shape):
    ours, _ = pair
    z = ours.sample(shape, seed=(1, 2))
    assert z.shape == (*np.atleast_1d(np.array(shape, int)), 3)
    np.testing.assert_array_equal(z, ours.sample(shape, seed=(1, 2)))


def test_sample_moments(pair):
    ours, theirs = pair
    z = ours.sample(100_000, seed=(0, 1))
    error = 5 * np.sqrt(theirs.variance() / 100_000)
    assert np.all(np.abs(np.mean(z, axis=0) - theirs.mean()) < error)


def test_gradients_reach_every_parameter(problem):
    z, *parameters = problem
    actual = problems.gradients(lambda *p: DiagonalGaussianMixture(*p).log_prob(z), parameters, 1.0)
    wanted = problems.gradients(lambda *p: problems.tfp_mixture(*p).log_prob(z), parameters, 1.0)
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-10, atol=1e-10)
    grad_loc, grad_logvar = problems.gradients(
        lambda loc, logvar: DiagonalGaussianMixture(loc, logvar, parameters[2]).sample(
            9, seed=(0, 0)
        ),
        parameters[:2],
        1.0,
    )
    assert np.any(grad_loc) and np.any(grad_logvar)


def test_parameters_and_copy(pair, problem):
    ours, _ = pair
    assert {"loc", "logvar", "logits"} <= set(ours.parameters)
    moved = ours.copy(loc=problem[1] + 1)
    assert isinstance(moved, DiagonalGaussianMixture)
    np.testing.assert_allclose(moved.mean(), ours.mean() + 1, atol=1e-12)
    np.testing.assert_array_equal(moved.logvar, ours.logvar)
