"""Losses against hand-worked numbers and closed forms."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae import objectives
from tf_sintrovae.objectives import Objective


def test_reconstruction_error_sums_over_each_example_without_a_half():
    x, y = tf.zeros((2, 2, 2, 1)), tf.constant([1.0, 2.0])[:, None, None, None]
    np.testing.assert_allclose(objectives.reconstruction_error(x, y), [4.0, 16.0])


def test_posterior_samples_are_sample_major():
    mean, logvar = tf.constant([[1.0], [10.0]]), tf.zeros((2, 1))
    eps = tf.constant([[[0.0], [0.0]], [[0.5], [0.25]]])
    result = objectives.posterior_samples(mean, logvar, eps)
    np.testing.assert_allclose(result[:, 0], [1.0, 10.0, 1.5, 10.25])


def test_monte_carlo_kl_converges_to_the_closed_form():
    rng = np.random.default_rng(0)
    mean, logvar = tf.constant([[0.5, -1.0]]), tf.constant([[-1.0, 0.3]])
    eps = tf.constant(rng.normal(size=(200_000, 1, 2)).astype(np.float32))
    z = objectives.posterior_samples(mean, logvar, eps)
    log_prob = -0.5 * tf.reduce_sum(z**2 + math.log(2 * math.pi), axis=-1)
    closed = 0.5 * tf.reduce_sum(mean**2 + tf.exp(logvar) - 1 - logvar)
    kl = objectives.monte_carlo_kl(logvar, eps, log_prob)
    assert abs(float(kl[0] - closed)) < 0.01


@pytest.mark.parametrize(
    ("responsibilities", "expected"),
    [([0.25] * 4, -1.0), ([1.0, 0.0, 0.0, 0.0], 0.0), ([0.5, 0.5], -math.log(2)), ([1.0], 0.0)],
)
def test_negative_assignment_entropy_by_hand(responsibilities, expected):
    # Divided by log K from K = 3 on only: log 2 < 1.
    value = objectives.negative_assignment_entropy(tf.constant(responsibilities))
    assert float(value) == pytest.approx(expected, abs=1e-6)


def test_encoder_loss_by_hand():
    objective = Objective(
        beta_rec=2.0, beta_kl=3.0, beta_neg=5.0, alpha=2.0, responsibility_reg=7.0, scale=0.1
    )
    ones = tf.ones(4)
    loss = objectives.encoder_loss(
        (ones, 2 * ones), (3 * ones, 0 * ones), (0 * ones, ones), tf.constant(-0.5), objective
    )
    exp_rec = math.exp(-2.0 * 0.1 * (2.0 * 3.0))
    exp_fake = math.exp(-2.0 * 0.1 * (5.0 * 1.0))
    expected = 0.1 * (2.0 * 1.0 + 3.0 * 2.0) + (exp_rec + exp_fake) / 4.0 + 0.1 * 7.0 * -0.5
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_decoder_prior_loss_by_hand():
    objective = Objective(beta_rec=2.0, beta_kl=3.0, gamma=0.5, gamma_r=0.25, scale=0.1)
    real, generated = (tf.ones(2), 2 * tf.ones(2)), 4 * tf.ones(4)
    without = objectives.decoder_prior_loss(real, generated, None, objective)
    assert float(without) == pytest.approx(0.1 * (2 + 6 + 0.5 * 3 * 4), rel=1e-6)
    with_rec = objectives.decoder_prior_loss(real, generated, 8 * tf.ones(4), objective)
    assert float(with_rec - without) == pytest.approx(0.1 * 0.5 * 0.25 * 2 * 8, rel=1e-5)
