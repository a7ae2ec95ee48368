"""The PyTorch step computes what the project's does, of the same weights and noise.

Needs a Python with JAX and PyTorch (tests/support/jax_python.py).
"""

import json
import subprocess

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.hlo import arrays
from tests.support import runs
from tests.support.jax_python import require_jax_python
from tf_sintrovae import networks
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.noise import DecoderNoise, EncoderNoise, VAENoise
from tf_sintrovae.objective import Objective
from tf_sintrovae.player_losses import PlayerLosses
from tf_sintrovae.priors import MixturePrior

WEIGHTS = {"beta_rec": 1.5, "beta_kl": 0.7, "beta_neg": 2.0, "responsibility_reg": 3.0}
SETTING = {
    "shape": (8, 8, 1),
    "latent_dim": 2,
    "widths": (4, 6),
    "num_components": 3,
    "num_mc_samples": 5,
    "weights": WEIGHTS,
    "bottom": (2, 2, 6),
}
B, L, K, M = 4, 2, 3, 5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    encoder, decoder = networks.build_networks((8, 8, 1), L, (4, 6), seed=1)
    prior = MixturePrior(K, L, clip_variance=False, seed=2)
    prior.logits.assign([0.3, -0.5, 0.1])
    return SoftIntroVAE(encoder, decoder, prior, objective=Objective(**WEIGHTS, gamma_r=0.0))


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    normal = lambda *shape: rng.standard_normal(shape, np.float32)  # noqa: E731
    generated = {"z_generated": normal(2 * B, L), "kl_generated": normal(M, 2 * B, L)}
    shared = {"component": rng.uniform(size=B), "prior": normal(B, L), "kl_real": normal(M, B, L)}
    return {
        "x": rng.uniform(size=(B, 8, 8, 1)).astype(np.float32),
        "vae": VAENoise(normal(B, L), normal(M, B, L)),
        "encoder": EncoderNoise(z_real=normal(B, L), **shared, **generated),
        "decoder": DecoderNoise(**shared, **generated),
    }


def losses(model, drawn):
    """The project's losses, and the norm of each player's gradient of its loss."""
    compute = PlayerLosses(model.encoder, model.decoder, model.prior, model.objective)
    x, results = tf.constant(drawn["x"]), {}

    def take(name, function, players):
        variables = [getattr(model, player).trainable_variables for player in players]
        with tf.GradientTape() as tape:
            loss, *rest = function()
        results[name] = float(loss)
        for player, gradients in zip(players, tape.gradient(loss, variables), strict=True):
            results[f"{name}/{player}"] = float(tf.linalg.global_norm(gradients))
        return rest

    def parameters():
        return model.prior.parameters(model.encoder, training=True)

    def encoder_loss():
        frozen = parameters().stop_gradient()
        values, posterior = compute.encoder_player(x, drawn["encoder"], frozen)
        return values["encoder_loss"], posterior

    everybody = ("encoder", "decoder", "prior")
    take("loss", lambda: [compute.vae(x, drawn["vae"], parameters())["loss"]], everybody)
    (posterior,) = take("encoder_loss", encoder_loss, ["encoder"])
    take(
        "decoder_loss",
        lambda: compute.decoder_player(x, posterior, drawn["decoder"], parameters()).values(),
        ["decoder", "prior"],
    )
    return results


def for_torch(model, drawn):
    """The same weights and noise by name, in the parts in which PyTorch's step draws it."""
    given = {"x": drawn["x"], "setting": np.array(json.dumps(SETTING))}
    for name in ("encoder", "decoder"):
        for variable in getattr(model, name).variables:
            given[f"{name}/{'/'.join(variable.path.split('/')[-2:])}"] = variable.numpy()
    prior = {"loc": model.prior.loc, "logvar": model.prior.logvar, "logits": model.prior.logits}
    given |= {f"prior/{name}": variable.numpy() for name, variable in prior.items()}
    cumulative = np.cumsum(np.exp(prior["logits"].numpy()) / np.exp(prior["logits"].numpy()).sum())
    for player in ("vae", "encoder", "decoder"):
        noise = drawn[player]._asdict()
        if player != "vae":
            z, kl = noise.pop("z_generated"), noise.pop("kl_generated")
            noise |= {"z_rec": z[:B], "z_fake": z[B:], "kl_rec": kl[:, :B], "kl_fake": kl[:, B:]}
            noise["component"] = np.searchsorted(cumulative, noise["component"], side="right")
        given |= {f"noise/{player}/{name}": value for name, value in noise.items()}
    return given


def test_losses_and_gradients_are_the_projects(model, drawn, tmp_path):
    python = require_jax_python("torch")
    arrays.write_arrays(tmp_path / "given.npz", for_torch(model, drawn))
    paths = [str(tmp_path / name) for name in ("given.npz", "found.json")]
    command = [python, "-m", "tests.support.torch_losses", *paths]
    subprocess.run(command, cwd=runs.ROOT, check=True)
    found = json.loads((tmp_path / "found.json").read_text())
    expected = losses(model, drawn)
    assert set(found) == set(expected) and len(expected) == 9
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-5), name
