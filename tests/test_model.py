"""SoftIntroVAE: who changes in whose step, stages, `fit` on plain arrays, helpful errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.cases import BATCH_SIZE, CASES, LATENT_DIM, QUICK_CASES, Case, data
from tf_sintrovae import networks
from tf_sintrovae.kernels import platforms
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.objective import Objective
from tf_sintrovae.priors import MixturePrior, StandardNormalPrior


def adams():
    return [keras.optimizers.Adam(1e-2, epsilon=1e-8) for _ in range(3)]


def compile_model(model, **kwargs):
    model.compile(*adams(), **kwargs)
    return model


def snapshot(model):
    """Values of the players' trainable variables."""
    return {
        player: [variable.numpy() for variable in getattr(model, player).trainable_variables]
        for player in ("encoder", "decoder", "prior")
    }


def changed_players(before, after):
    return {
        player
        for player in before
        if any(not np.array_equal(a, b) for a, b in zip(before[player], after[player], strict=True))
    }


def noise_of(model, x):
    return model._noise(tf.constant(x))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_variable_sets_of_the_players_are_disjoint(case):
    model = case.model()
    players = (model.encoder, model.decoder, model.prior)
    ids = [id(variable) for player in players for variable in player.trainable_variables]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("prior_player", ["decoder", "encoder", "none"])
def test_only_the_players_at_turn_change(prior_player):
    model = compile_model(Case("images", "mixture").model(prior_player=prior_player))
    x = data(model.example_shape)
    start = snapshot(model)
    _, posterior = model.encoder_step(tf.constant(x), noise_of(model, x).encoder_player())
    middle = snapshot(model)
    assert changed_players(start, middle) == {"encoder"} | (
        {"prior"} if prior_player == "encoder" else set()
    )
    model.decoder_prior_step(tf.constant(x), posterior, noise_of(model, x).decoder_player())
    assert changed_players(middle, snapshot(model)) == {"decoder"} | (
        {"prior"} if prior_player == "decoder" else set()
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_variable_of_every_player_learns_in_the_vae_stage(case):
    model = compile_model(case.model())
    if case.prior == "warm_started":
        model.hand_over()
    x = data(case.shape)
    start = snapshot(model)
    model.vae_step(tf.constant(x), noise_of(model, x).vae())
    expected = {"encoder", "decoder"} | ({"prior"} if model.prior.trainable_variables else set())
    assert changed_players(start, snapshot(model)) == expected
    active = {v.path for v in model.prior.active_variables}
    for variable, before in zip(model.prior.trainable_variables, start["prior"], strict=True):
        assert np.array_equal(variable.numpy(), before) == (variable.path not in active)


def test_the_frozen_network_still_updates_its_batch_norm_statistics():
    model = compile_model(Case("images", "mixture").model())
    x = tf.constant(data(model.example_shape))
    before = [variable.numpy() for variable in model.decoder.non_trainable_variables]
    model.encoder_step(x, noise_of(model, x).encoder_player())
    after = [variable.numpy() for variable in model.decoder.non_trainable_variables]
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_weights_of_the_mixture_learn_from_the_data_kl_alone():
    """With beta_kl = 0 the samples' path is left, in which the drawn index carries no gradient."""
    model = compile_model(Case("points", "mixture").model(beta_kl=0.0, gamma=1.0))
    x = tf.constant(data((2,)))
    _, posterior = model.encoder_step(x, noise_of(model, x).encoder_player())
    before = model.prior.logits.numpy()
    model.decoder_prior_step(x, posterior, noise_of(model, x).decoder_player())
    np.testing.assert_array_equal(model.prior.logits.numpy(), before)


@pytest.mark.parametrize("case", QUICK_CASES, ids=str)
@pytest.mark.parametrize("stage", ["vae", "introspective"])
def test_fit_on_an_array_with_a_partial_last_batch(case, stage):
    model = compile_model(case.model())
    model.stage = stage
    x = data(case.shape, count=2 * BATCH_SIZE + 3)
    history = model.fit(x, batch_size=BATCH_SIZE, epochs=1, verbose=0, validation_data=x[:4])
    assert ("encoder_loss" in history.history) == (stage == "introspective")
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert int(model.step.numpy()) == 3
    assert "val_kl" in history.history


def test_a_partial_batch_counts_by_its_size_in_loss_and_terms_alike():
    """One batch of 8 and one of 3: every mean is over the 11 examples, in training as in evaluation."""
    model = Case("points", "mixture").model(num_mc_samples=1)
    model.compile(*[keras.optimizers.SGD(0.0) for _ in range(3)])  # nothing moves
    x = data((2,), count=BATCH_SIZE + 3)
    for values in (
        model.evaluate(x, batch_size=BATCH_SIZE, verbose=0, return_dict=True),
        {k: v[0] for k, v in model.fit(x, batch_size=BATCH_SIZE, verbose=0).history.items()},
    ):
        objective = model.objective
        expected = objective.beta_rec * values["rec"] + objective.beta_kl * values["kl"]
        assert values["loss"] == pytest.approx(expected, rel=1e-5)
        assert values["loss"] > 0


@pytest.mark.parametrize("settings", [{}, {"steps_per_execution": 2}, {"jit_compile": True}])
def test_the_first_step_that_is_not_finite_is_noted_and_no_later_one(settings):
    """The data are infinite in the third of six steps alone; everything is NaN after it."""
    model = compile_model(Case("points", "mixture").model(), **settings)
    x = data((2,), 6 * BATCH_SIZE)
    model.fit(x[: 2 * BATCH_SIZE], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    assert model.divergence is None
    x[:BATCH_SIZE] = np.inf
    model.fit(x[: 4 * BATCH_SIZE], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    step, terms = model.divergence
    assert step == 3
    assert {"rec", "loss"} <= set(terms) <= {"rec", "loss", "kl"}  # a ReLU may make 0 of NaN
    model.fit(x[: 2 * BATCH_SIZE], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    assert model.divergence == (step, terms)


def test_labels_are_accepted_and_not_used():
    x, y = data((2,), 16), np.arange(16)
    weights = []
    for arguments in ((x,), (x, y)):
        keras.utils.set_random_seed(1)
        model = compile_model(Case("points", "mixture").model())
        model.fit(*arguments, batch_size=8, shuffle=False, verbose=0)
        weights.append(model.encoder.get_weights())
    assert all(map(np.array_equal, *weights))


def test_a_change_of_stage_between_fits_takes_effect():
    model = compile_model(Case("points", "warm_started").model())
    x = data((2,), 16)
    assert "loss" in model.fit(x, batch_size=8, verbose=0).history
    model.hand_over()
    before = snapshot(model)
    model.fit(x, batch_size=8, verbose=0)
    mixture = {v.path for v in model.prior.mixture.trainable_variables}
    for variable, old in zip(model.prior.trainable_variables, before["prior"], strict=True):
        assert np.array_equal(variable.numpy(), old) == (variable.path not in mixture)
    model.start_introspection()
    assert "encoder_loss" in model.fit(x, batch_size=8, verbose=0).history


def test_hand_over_lets_all_optimizers_start_afresh_and_keeps_their_rates():
    model = compile_model(Case("points", "warm_started").model())
    model.fit(data((2,), 16), batch_size=8, verbose=0)
    model.hand_over()
    for optimizer in model.optimizers:
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(1e-2)
        slots = [v for v in optimizer.variables if v is not optimizer.learning_rate]
        assert slots
        assert all(not np.any(variable.numpy()) for variable in slots)


def test_clipping_starts_with_the_stage_and_only_when_the_prior_steps_with_the_decoder():
    for prior_player in ("decoder", "encoder", "none"):
        model = compile_model(Case("points", "mixture").model(prior_player=prior_player))
        model.start_introspection()
        limited = np.isfinite(model.prior.max_logvar.numpy()).all()
        assert limited == (prior_player == "decoder")


def test_a_step_depends_on_seed_and_step_alone():
    weights = []
    for seed in (3, 3, 4):
        model = compile_model(Case("points", "mixture").model(seed=seed))
        model.stage = "introspective"
        model.fit(data((2,), 16), batch_size=8, shuffle=False, verbose=0)
        weights.append(np.concatenate([v.numpy().ravel() for v in model.trainable_variables]))
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def train_steps(stage, **kwargs):
    """Weights after four steps of plain descent."""
    model = Case("points", "mixture").model()
    model.compile(*[keras.optimizers.SGD(1e-2) for _ in range(3)], **kwargs)
    model.stage = stage
    model.fit(data((2,), 4 * BATCH_SIZE), batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    return np.concatenate([v.numpy().ravel() for v in model.trainable_variables])


@pytest.mark.parametrize("stage", ["vae", "introspective"])
def test_graphs_and_several_steps_an_execution_and_xla_train_as_eager_steps_do(stage):
    eager = train_steps(stage, run_eagerly=True)
    np.testing.assert_allclose(train_steps(stage), eager, atol=1e-5)
    np.testing.assert_allclose(train_steps(stage, steps_per_execution=2), eager, atol=1e-5)
    np.testing.assert_allclose(train_steps(stage, jit_compile=True), eager, atol=1e-5)


@pytest.mark.slow
def test_a_step_compiled_for_gpus_trains_as_eager_steps_do():
    eager = train_steps("introspective", run_eagerly=True)
    with platforms.use_platform("gpu"):
        np.testing.assert_allclose(train_steps("introspective", jit_compile=True), eager, atol=1e-5)


def test_call_reconstructs_from_the_mean():
    model = Case("images", "mixture").model()
    x = data((8, 8, 1))
    expected = model.decoder(model.encoder(x)[0])
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_float16_training_scales_and_unscales_every_players_loss():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = Case("small_images", "mixture").model()
    finally:
        keras.config.set_dtype_policy(policy)
    scales = (2.0**3, 2.0**7, 2.0**11)  # different, so that a scale of another player would show
    optimizers = [
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3), initial_scale=scale)
        for scale in scales
    ]
    model.compile(*optimizers)
    reference = Case("small_images", "mixture").model()
    reference.compile(*[keras.optimizers.SGD(1e-3) for _ in range(3)])
    x = data(model.example_shape, 16)
    for stage in ("vae", "introspective"):
        for each in (model, reference):
            each.stage = stage
            each.fit(x, batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(model.trainable_variables, reference.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=5e-3)


class Subclassed(keras.Model):
    """A network that Keras cannot look into before it is called."""

    def __init__(self, outputs):
        super().__init__()
        self.heads = [keras.layers.Dense(size) for size in outputs]

    def call(self, x, training=False):
        values = tuple(head(x) for head in self.heads)
        return values if len(values) > 1 else values[0]


def test_subclassed_networks_train_too():
    encoder, decoder = Subclassed((LATENT_DIM, LATENT_DIM)), Subclassed((6,))
    model = compile_model(
        SoftIntroVAE(
            encoder, decoder, MixturePrior(2, LATENT_DIM), objective=Objective(beta_neg=1.0)
        )
    )
    model.start_introspection()
    history = model.fit(data((6,), 16), batch_size=8, verbose=0).history
    assert np.isfinite(history["encoder_loss"]).all()
    assert model.example_shape == (6,)


def test_errors_name_what_does_not_fit():
    encoder, decoder = networks.build_networks((2,), LATENT_DIM, (4,))
    other_encoder, _ = networks.build_networks((3,), LATENT_DIM, (4,))
    prior = StandardNormalPrior(LATENT_DIM)
    with pytest.raises(ValueError, match=r"the decoder cannot take \[batch, 5\]"):
        SoftIntroVAE(encoder, decoder, MixturePrior(2, 5))
    with pytest.raises(ValueError, match="joint_batches=True"):
        Case("images", "mixture").model(joint_batches=True)
    with pytest.raises(ValueError, match="prior_player 'nobody'"):
        SoftIntroVAE(encoder, decoder, prior, prior_player="nobody")
    with pytest.raises(ValueError, match=r"the encoder cannot take \[batch, 2\]"):
        SoftIntroVAE(other_encoder, decoder, prior)
    with pytest.raises(ValueError, match="must return"):
        SoftIntroVAE(keras.Sequential([keras.layers.Dense(2)]), decoder, prior)
    wide_encoder, _ = networks.build_networks((2,), LATENT_DIM + 1, (4,))
    with pytest.raises(ValueError, match="mean has shape"):
        SoftIntroVAE(wide_encoder, decoder, prior)
    model = SoftIntroVAE(encoder, decoder, prior)
    with pytest.raises(ValueError, match="stage 'later'"):
        model.stage = "later"
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="optimizer of its own"):
        model.compile(adam, adam, keras.optimizers.Adam())
    with pytest.raises(NotImplementedError, match=r"tf_sintrovae\.serving\.export"):
        model.save("x.keras")
