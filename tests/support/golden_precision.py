"""What rounding in the networks does to the golden values: a table.

    python -m tests.support.golden_precision

TF32 is what GPUs may do to convolutions and dense layers (`--precision=tf32`); here each factor of their
products, forward and backward, is rounded as GPUs round it, and the rest is float32. `mixed_bfloat16` is
what `--mixed_precision=bfloat16` does. Of losses and of each player's gradients the largest error of a
number, relative to the largest of its recorded array; `whole` is the l2 error of all of a player's
gradients together, relative to their norm.
"""

import contextlib
from collections.abc import Iterator
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from tests.support.golden_values import GoldenCase

PRECISIONS = ("float32", "tf32", "mixed_bfloat16")
PLAYERS = ("encoder", "decoder", "prior")
_DROPPED_BITS = 13  # of the 23 of a float32's fraction


def main() -> None:
    """Prints the table."""
    columns = ["losses", *(f"{player}{kind}" for player in PLAYERS for kind in ("", " whole"))]
    print(f"{'case':8}{'precision':16}" + "".join(f"{name:>15}" for name in columns))
    for name in ("mlp2d", "image28"):
        for precision in PRECISIONS:
            found = errors(name, precision)
            print(f"{name:8}{precision:16}" + "".join(f"{found[c]:>15.1e}" for c in columns))


class Recorder(keras.optimizers.SGD):
    """Keeps the gradients that it is given, and changes nothing."""

    def __init__(self):
        super().__init__(0.0)
        self.gradients: dict[str, np.ndarray] = {}

    def apply(self, grads, trainable_variables=None):
        pairs = zip(trainable_variables, grads, strict=True)
        self.gradients = {variable.path: gradient.numpy() for variable, gradient in pairs}


def errors(name: str, precision: str) -> dict[str, float]:
    """The largest errors of the three losses and of the gradients of each player, by column of the table."""
    policy = precision if precision.startswith("mixed") else None
    case = GoldenCase(name, "float32", policy=policy)
    worst: dict[str, float] = {}

    def note(key, error):
        worst[key] = max(worst.get(key, 0.0), float(error))

    def compare(model, losses, loss, prefix, players):
        recorded = case.values[f"{prefix}/loss"]
        note("losses", abs(losses[loss].numpy() - recorded) / abs(recorded))
        for player in players:
            gradients = getattr(model, f"{player}_optimizer").gradients
            square, norm_square = 0.0, 0.0
            for variable in getattr(model, player).trainable_variables:
                recorded = _recorded_gradient(case, prefix, player, variable)
                difference = gradients[variable.path] - recorded
                note(player, np.max(np.abs(difference)) / np.max(np.abs(recorded)))
                square += np.sum(difference**2)
                norm_square += np.sum(recorded**2)
            note(f"{player} whole", np.sqrt(square / norm_square))

    with rounded_to_tf32() if precision == "tf32" else contextlib.nullcontext():
        model = _compiled(case.model(clipped=False))
        losses = model.vae_step(case.x, case.vae_noise())
        compare(model, losses, "loss", "vae", PLAYERS)
        model = _compiled(case.model(clipped=True))
        losses, posterior = model.encoder_step(case.x, case.encoder_noise())
        compare(model, losses, "encoder_loss", "encoder_player", PLAYERS[:1])
        losses = model.decoder_prior_step(case.x, posterior, case.decoder_noise())
        compare(model, losses, "decoder_loss", "decoder_prior_players", PLAYERS[1:])
    return worst


@contextlib.contextmanager
def rounded_to_tf32() -> Iterator[None]:
    """Rounds the factors of convolutions and dense layers, and of their gradients, as TF32 does."""
    convolve = keras.layers.Conv2D.convolution_op

    def convolution_op(self, inputs, kernel):
        return _round_gradient(convolve(self, _rounded(inputs), _rounded(kernel)))

    def call(self, inputs, training=None):
        assert self.activation is keras.activations.linear
        return _round_gradient(_rounded(inputs) @ _rounded(self.kernel)) + self.bias

    with (
        mock.patch.object(keras.layers.Conv2D, "convolution_op", convolution_op),
        mock.patch.object(keras.layers.Dense, "call", call),
    ):
        yield


def round_to_tf32(x: tf.Tensor) -> tf.Tensor:
    """float32 with 10 bits of fraction: the nearest, of two the larger in size."""
    bits = tf.bitcast(x, tf.int32) + (1 << (_DROPPED_BITS - 1))
    return tf.bitcast(tf.bitwise.bitwise_and(bits, -(1 << _DROPPED_BITS)), tf.float32)


def _rounded(x):
    return _pass_gradient(tf.convert_to_tensor(x))


@tf.custom_gradient
def _pass_gradient(x):
    return round_to_tf32(x), lambda upstream: upstream


@tf.custom_gradient
def _round_gradient(x):
    return tf.identity(x), round_to_tf32


def _compiled(model):
    model.compile(Recorder(), Recorder(), Recorder())
    return model


def _recorded_gradient(case, prefix, player, variable):
    if player != "prior":
        return case.recorded_array(f"{prefix}/grad/{player}.", player, variable)
    name = {"loc": "mu", "logvar": "logvar", "logits": "w"}[variable.name]
    return case.values[f"{prefix}/grad/prior.{name}"].reshape(variable.shape)


if __name__ == "__main__":
    main()
