"""Priors: hand-worked clipping, the hand-over, TFP distributions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.support.cases import LATENT_DIM, NUM_COMPONENTS, PRIORS, Case, data
from tf_sintrovae.priors import (
    MixturePrior,
    StandardNormalPrior,
    VampPrior,
    WarmStartedMixturePrior,
    hard_clip,
    soft_clip,
)

tfd = tfp.distributions


def softplus(t, b):
    return np.logaddexp(0.0, b * t) / b


def test_soft_clip_by_hand():
    low, high = -2.0, 0.0  # sharpness b = 10 / 2 = 5
    logvar = np.array([-3.0, -2.0, -1.0, 0.0, 4.0])
    expected = [v - softplus(v - high, 5.0) + softplus(low - v, 5.0) for v in logvar]
    result = soft_clip(*(tf.constant(v, tf.float64) for v in (logvar[:, None], [low], [high])))
    # At a limit the value moves by log(2) / b; far beyond, the limit itself is reached.
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(result[3, 0], -np.log(2) / 5, atol=1e-4)
    np.testing.assert_allclose(result[4, 0], 0.0, atol=1e-6)


def test_soft_clip_in_the_middle_of_a_wide_range_changes_nothing():
    result = soft_clip(tf.constant([[0.5]]), tf.constant([-50.0]), tf.constant([50.0]))
    assert abs(float(result[0, 0]) - 0.5) < 0.01


def test_soft_clip_of_an_empty_range_is_constant_without_gradient():
    logvar = tf.constant([[3.0, 1.0], [-7.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(logvar)
        result = soft_clip(logvar, tf.constant([-1.0, -50.0]), tf.constant([-1.0, 50.0]))
    np.testing.assert_array_equal(result[:, 0], [-1.0, -1.0])
    gradient = tape.gradient(result, logvar)
    np.testing.assert_array_equal(gradient[:, 0], [0.0, 0.0])
    # Inside a range of 100 (b = 0.1): one minus the two sigmoids.
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    expected = [1 - sigmoid(0.1 * (v - 50)) - sigmoid(0.1 * (-50 - v)) for v in (1.0, 2.0)]
    np.testing.assert_allclose(gradient[:, 1], expected, rtol=1e-5)


def test_soft_clip_without_limits_is_the_identity():
    logvar = tf.constant([[1e6, -30.0]])
    with tf.GradientTape() as tape:
        tape.watch(logvar)
        result = soft_clip(logvar, tf.constant([-np.inf] * 2), tf.constant([np.inf] * 2))
    np.testing.assert_array_equal(result, logvar)
    np.testing.assert_array_equal(tape.gradient(result, logvar), [[1.0, 1.0]])


def test_hard_clip_gradient_is_zero_at_and_beyond_the_limits():
    x = tf.constant([-1.0, 0.0, 0.25, 1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        clipped = hard_clip(x, 0.0, 1.0)
    np.testing.assert_array_equal(clipped, [0.0, 0.0, 0.25, 1.0, 1.0])
    np.testing.assert_array_equal(tape.gradient(clipped, x), [0.0, 0.0, 1.0, 0.0, 0.0])


def test_mixture_clips_only_from_the_start_of_introspection():
    prior = MixturePrior(3, 2)
    prior.logvar.assign([[0.0, 1.0], [-1.0, 1.0], [-4.0, 1.0]])
    np.testing.assert_array_equal(prior.parameters().logvar, prior.logvar.value)
    prior.start_introspection()
    np.testing.assert_array_equal(prior.min_logvar.value, [-4.0, 1.0])
    np.testing.assert_array_equal(prior.max_logvar.value, [0.0, 1.0])
    prior.logvar.assign([[9.0, 5.0], [-1.0, 1.0], [-30.0, -5.0]])
    logvar = prior.parameters().logvar.numpy()
    np.testing.assert_allclose(logvar[:, 0], [0.0, -1.0, -4.0], atol=0.05)
    np.testing.assert_array_equal(logvar[:, 1], [1.0, 1.0, 1.0])


def test_the_range_is_frozen_once_and_dropped_where_clipping_is_off():
    prior = MixturePrior(2, 1)
    prior.logvar.assign([[0.0], [-1.0]])
    prior.start_introspection()
    prior.logvar.assign([[5.0], [-5.0]])
    prior.start_introspection()
    np.testing.assert_array_equal([v.numpy() for v in prior.limits], [[-1.0], [0.0]])
    unclipped = MixturePrior(2, 1, clip_variance=False)
    unclipped.set_weights(prior.get_weights())  # as a resumed run restores them
    unclipped.start_introspection()
    np.testing.assert_array_equal([v.numpy() for v in unclipped.limits], [[-np.inf], [np.inf]])


def test_mixture_without_clipping_stays_free():
    prior = MixturePrior(3, 2, clip_variance=False)
    prior.start_introspection()
    prior.logvar.assign(tf.fill((3, 2), 7.0))
    np.testing.assert_array_equal(prior.parameters().logvar, prior.logvar.value)


def test_one_component_has_a_frozen_variance_once_clipped():
    prior = MixturePrior(1, 2)
    prior.logvar.assign([[0.5, -0.5]])
    prior.start_introspection()
    prior.logvar.assign([[3.0, 3.0]])
    np.testing.assert_array_equal(prior.parameters().logvar, [[0.5, -0.5]])


def test_vamp_prior_is_the_posteriors_at_its_pseudo_inputs():
    case = Case("images", "vamp")
    model = case.model()
    loc, logvar, logits = model.prior.parameters(model.encoder, training=True)
    mean, expected_logvar = model.encoder(model.prior.pseudo_inputs.value, training=True)
    np.testing.assert_allclose(loc, mean, rtol=1e-6)
    np.testing.assert_allclose(logvar, expected_logvar, rtol=1e-6)
    np.testing.assert_array_equal(logits, np.zeros(NUM_COMPONENTS))


def test_vamp_prior_is_the_trained_one_in_inference_mode_and_keeps_the_moving_statistics():
    case = Case("images", "vamp")
    model = case.model()
    for _ in range(3):  # brings the moving statistics away from those of the pseudo-inputs
        model.encoder(3.0 + data(case.shape, 8, seed=2), training=True)
    before = [v.numpy() for v in model.encoder.non_trainable_variables]
    measured = model.prior.parameters(model.encoder)
    for variable, value in zip(model.encoder.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    trained = model.prior.parameters(model.encoder, training=True)
    np.testing.assert_allclose(measured.loc, trained.loc, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(measured.logvar, trained.logvar, rtol=1e-5, atol=1e-6)
    by_moving_statistics = model.encoder(model.prior.pseudo_inputs.value, training=False)[0]
    assert np.abs(by_moving_statistics - trained.loc).max() > 0.01


def test_vamp_prior_holds_no_weight_of_the_encoder_and_asks_for_it():
    prior = VampPrior(np.zeros((2, 2), np.float32), LATENT_DIM)
    assert len(prior.trainable_variables) == 2
    with pytest.raises(ValueError, match="pass the encoder"):
        prior.parameters()


def test_hand_over_copies_log_weights_not_probabilities():
    case = Case("images", "warm_started")
    model = case.model()
    prior = model.prior
    prior.vamp.logits.assign([0.0, 1.0, 2.0, 5.0])
    before = prior.parameters(model.encoder, training=True)
    assert prior.active_variables == prior.vamp.trainable_variables
    prior.hand_over(model.encoder)
    after = prior.parameters()
    assert prior.active_variables == prior.mixture.trainable_variables
    np.testing.assert_allclose(after.loc, before.loc, rtol=1e-6)
    np.testing.assert_allclose(after.logvar, before.logvar, rtol=1e-6)
    np.testing.assert_allclose(tf.nn.softmax(after.logits), tf.nn.softmax(before.logits), rtol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(after.logits)), 1.0, rtol=1e-6)


@pytest.mark.parametrize("learn_weights", [True, False])
@pytest.mark.parametrize("kind", ["vamp", "mixture"])
def test_learn_weights_decides_whether_logits_are_trained(kind, learn_weights):
    prior = (
        VampPrior(np.zeros((2, 2), np.float32), LATENT_DIM, learn_weights)
        if kind == "vamp"
        else MixturePrior(2, LATENT_DIM, learn_weights)
    )
    assert any(v is prior.logits for v in prior.trainable_variables) == learn_weights


@pytest.mark.parametrize("name", PRIORS)
def test_distribution_is_tfp_and_agrees_with_the_parameters(name):
    model = Case("points", name).model()
    distribution = model.prior.distribution(model.encoder)
    assert isinstance(distribution, tfd.Distribution)
    assert isinstance(distribution, tfd.MixtureSameFamily) == (name != "standard_normal")
    loc, logvar, logits = model.prior.parameters(model.encoder)
    reference = tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, tf.exp(0.5 * logvar))
    )
    z = np.random.default_rng(0).normal(size=(7, LATENT_DIM)).astype(np.float32)
    np.testing.assert_allclose(distribution.log_prob(z), reference.log_prob(z), rtol=1e-5)


def test_standard_normal_has_nothing_to_learn():
    assert StandardNormalPrior(2).variables == []


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="num_components 0"):
        MixturePrior(0, 2)


def test_float64_policy_gives_float64_parameters():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        assert MixturePrior(2, 2).parameters().logvar.dtype == tf.float64
    finally:
        keras.config.set_dtype_policy(policy)


def test_resuming_puts_a_prior_in_force_without_touching_variables():
    prior = WarmStartedMixturePrior(VampPrior(np.zeros((3, 2)), 2), MixturePrior(3, 2))
    before = prior.get_weights()
    for handed_over in (True, False):
        prior.resume(handed_over)
        assert prior.handed_over == handed_over
        assert prior.active is (prior.mixture if handed_over else prior.vamp)
    for a, b in zip(prior.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_prior_without_another_cannot_have_handed_over():
    prior = MixturePrior(2, 1)
    prior.resume(False)
    with pytest.raises(ValueError, match="MixturePrior cannot have been handed over"):
        prior.resume(True)
    with pytest.raises(ValueError, match="does not hand over"):
        prior.hand_over(None)
