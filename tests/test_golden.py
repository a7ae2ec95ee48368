"""Losses and every gradient of the authors' model, from recorded weights and noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.golden_values import GoldenCase
from tf_sintrovae.kernels import platforms

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}


class RecordingOptimizer(keras.optimizers.SGD):
    """Keeps the gradients it is given and changes nothing."""

    def __init__(self):
        super().__init__(0.0)
        self.gradients = {}

    def apply(self, grads, trainable_variables=None):
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.gradients[variable.path] = gradient.numpy()


MODELS = [("mlp2d", False), ("mlp2d", True), ("image28", False)]  # the images have batch norm


# The mixture runs programs of CPUs, and once those of GPUs, which are for float32.
SETTINGS = [(*model, "cpu", dtype) for model in MODELS for dtype in TOLERANCE]
SETTINGS.append(("mlp2d", False, "gpu", "float32"))


@pytest.fixture(
    params=SETTINGS,
    ids=lambda param: f"{param[0]}-{param[3]}" + "-joint" * param[1] + "-gpu" * (param[2] == "gpu"),
)
def case(request):
    name, joint, platform, dtype = request.param
    with platforms.use_platform(platform):
        yield GoldenCase(name, dtype, joint)


def compile_model(model):
    model.compile(RecordingOptimizer(), RecordingOptimizer(), RecordingOptimizer())
    return model


def assert_close(actual, expected, case):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    error = np.max(np.abs(actual - expected)) / np.max(np.abs(expected))
    assert error < TOLERANCE[case.dtype]


def assert_network_gradients(model, player, prefix, case):
    network = getattr(model, player)
    optimizer = getattr(model, f"{player}_optimizer")
    assert set(optimizer.gradients) == {v.path for v in network.trainable_variables}
    for variable in network.trainable_variables:
        expected = case.recorded_array(f"{prefix}/grad/{player}.", player, variable)
        assert_close(optimizer.gradients[variable.path], expected, case)


def assert_prior_gradients(model, prefix, case):
    prior, gradients = model.prior, model.prior_optimizer.gradients
    for variable, name in ((prior.loc, "mu"), (prior.logvar, "logvar"), (prior.logits, "w")):
        expected = case.values[f"{prefix}/grad/prior.{name}"].reshape(variable.shape)
        assert_close(gradients[variable.path], expected, case)


def test_vae_step(case):
    model = compile_model(case.model(clipped=False))
    losses = model.vae_step(case.x, case.vae_noise())
    assert_close(losses["loss"], case.values["vae/loss"], case)
    assert_close(tf.reduce_mean(losses["rec"]), case.values["vae/loss_rec"], case)
    assert_close(tf.reduce_mean(losses["kl"]), case.values["vae/loss_kl"], case)
    assert_network_gradients(model, "encoder", "vae", case)
    assert_network_gradients(model, "decoder", "vae", case)
    assert_prior_gradients(model, "vae", case)


def test_encoder_player(case):
    model = compile_model(case.model(clipped=True))
    losses, (mean, logvar, _) = model.encoder_step(case.x, case.encoder_noise())
    expected = {
        "encoder_loss": "loss",
        "exp_elbo_rec": "exp_elbo_rec",
        "exp_elbo_fake": "exp_elbo_fake",
        "kl_rec": "rec_kl",
        "kl_fake": "fake_kl",
    }
    for name, recorded in expected.items():
        assert_close(losses[name], case.values[f"encoder_player/{recorded}"], case)
    for name, recorded in {"rec": "loss_rec", "kl": "real_kl"}.items():
        value = tf.reduce_mean(losses[name])
        assert_close(value, case.values[f"encoder_player/{recorded}"], case)
    assert_close(-losses["assignment_entropy"], case.values["encoder_player/neg_entropy"], case)
    assert_close(mean, case.values["encoder_player/real_mean"], case)
    assert_close(logvar, case.values["encoder_player/real_logvar"], case)
    assert_network_gradients(model, "encoder", "encoder_player", case)
    assert not model.decoder_optimizer.gradients
    assert not model.prior_optimizer.gradients


def test_decoder_and_prior_players(case):
    model = compile_model(case.model(clipped=True))
    _, posterior = model.encoder_step(case.x, case.encoder_noise())  # the weights stay as they are
    losses = model.decoder_prior_step(case.x, posterior, case.decoder_noise())
    prefix = "decoder_prior_players"
    assert_close(losses["decoder_loss"], case.values[f"{prefix}/loss"], case)
    assert_network_gradients(model, "decoder", prefix, case)
    assert_prior_gradients(model, prefix, case)


def test_clipped_log_variances(case):
    parameters = case.model(clipped=True).prior.parameters()
    assert_close(parameters.logvar, case.values["prior/logvar_clipped"], case)
    assert_close(tf.nn.softmax(parameters.logits), case.values["prior/weights"], case)


def test_the_gamma_r_passes_are_not_built_at_zero(case):
    model = compile_model(case.model(clipped=True, gamma_r=0.0))
    decoded = []
    inner = model.decoder.call
    model.decoder.call = lambda z, **kwargs: decoded.append(len(z)) or inner(z, **kwargs)
    _, posterior = model.encoder_step(case.x, case.encoder_noise())
    decoded.clear()
    model.decoder_prior_step(case.x, posterior, case.decoder_noise())
    assert sum(decoded) == 2 * len(case.x)  # reconstructions and fakes, nothing else
