"""Encoders and decoders: residual convolutions for images, dense layers for points in the plane.

The networks are those of the paper's experiments, with PyTorch's defaults kept where they are part of the
result: uniform(+-1/sqrt(fan_in)) initialisation, batch-norm epsilon 1e-5 and momentum 0.1.
An encoder maps `x [B, *shape]` to `(mean [B, L], logvar [B, L])`, a decoder `z [B, L]` to `x [B, *shape]`.
"""

import math
from collections.abc import Sequence

import keras

from tf_sintrovae.normalization import FusedBatchNormalization

LEAKY_SLOPE = 0.2


@keras.saving.register_keras_serializable("tf_sintrovae")
class FanInUniform(keras.initializers.Initializer):
    """Uniform on +-1/sqrt(fan_in), for a kernel and for the bias beside it.

    Args:
        fan_in: inputs of one unit; taken from the kernel's shape when None (a bias's shape does not tell it).
        seed: of the draw; two initialisers of one seed give the same values for the same shape.
    """

    def __init__(self, fan_in: int | None = None, seed: int | None = None):
        self.fan_in = fan_in
        self.seed = seed

    def __call__(self, shape, dtype=None):
        """Draws a tensor of `shape`."""
        limit = 1.0 / math.sqrt(self.fan_in or math.prod(shape[:-1]))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self):
        """Constructor arguments, for Keras serialisation."""
        return {"fan_in": self.fan_in, "seed": self.seed}


class _Seeds:
    """Hands out a new seed for every initialiser of a network."""

    def __init__(self, seed: int):
        self._next = 1000 * seed

    def __call__(self) -> int:
        self._next += 1
        return self._next


def build_networks(
    shape: Sequence[int],
    latent_dim: int,
    widths: Sequence[int],
    seed: int = 0,
    synchronized: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """The encoder and decoder that suit the shape of an example.

    Args:
        shape: `(D,)` for points, `(H, W, C)` for images.
        latent_dim: L.
        widths: units of each hidden dense layer, or channels of each resolution; `default_widths(shape)`
            gives the paper's.
        seed: of the initial weights.
        synchronized: share batch-norm statistics between replicas.

    Returns:
        `(encoder, decoder)`.

    Raises:
        ValueError: an image whose sides are not divisible by `2 ** len(widths)`, or another rank of shape.
    """
    seeds = _Seeds(seed)
    if len(shape) == 1:
        return (
            mlp_encoder(shape[0], latent_dim, widths, seeds),
            mlp_decoder(shape[0], latent_dim, widths, seeds),
        )
    if len(shape) != 3:
        raise ValueError(f"shape {tuple(shape)}: expected (D,) for points or (H, W, C) for images")
    _check_divisible(shape, widths)
    return (
        conv_encoder(shape, latent_dim, widths, seeds, synchronized),
        conv_decoder(shape, latent_dim, widths, seeds, synchronized),
    )


def default_widths(shape: Sequence[int]) -> tuple[int, ...]:
    """Widths of the paper: 4 x 256 units for points, 64, 128(, 256) channels for images (32 pixels up)."""
    if len(shape) == 1:
        return (256, 256, 256, 256)
    return (64, 128, 256) if min(shape[:2]) >= 32 else (64, 128)


def mlp_encoder(data_dim: int, latent_dim: int, widths: Sequence[int], seeds) -> keras.Model:
    """Dense layers with ReLU: `[B, data_dim] -> (mean, logvar)`, each `[B, latent_dim]`."""
    inputs = _input((data_dim,), "x")
    outputs = _mlp(inputs, widths, 2 * latent_dim, seeds)
    return keras.Model(inputs, _split_posterior(outputs, latent_dim), name="encoder")


def mlp_decoder(data_dim: int, latent_dim: int, widths: Sequence[int], seeds) -> keras.Model:
    """Dense layers with ReLU: `[B, latent_dim] -> [B, data_dim]`."""
    inputs = _input((latent_dim,), "z")
    return keras.Model(inputs, _mlp(inputs, widths, data_dim, seeds), name="decoder")


def conv_encoder(
    shape: Sequence[int], latent_dim: int, widths: Sequence[int], seeds, synchronized: bool = False
) -> keras.Model:
    """5x5 convolution, then residual blocks and average pooling: `[B, H, W, C] -> (mean, logvar)`."""
    inputs = _input(tuple(shape), "x")
    x = _conv(inputs, widths[0], 5, seeds, name="in")
    x = _leaky_relu(_batch_norm(x, synchronized, name="in_norm"))
    x = keras.layers.AveragePooling2D(2, name="in_down")(x)
    for i, channels in enumerate(widths[1:], start=1):
        x = _residual_block(x, channels, seeds, synchronized, name=f"block_{i}")
        x = keras.layers.AveragePooling2D(2, name=f"down_{i}")(x)
    x = _residual_block(x, widths[-1], seeds, synchronized, name="block_out")
    x = keras.layers.Flatten(name="flatten")(x)
    x = _dense(x, 2 * latent_dim, seeds, name="posterior", full_precision=True)
    return keras.Model(inputs, _split_posterior(x, latent_dim), name="encoder")


def conv_decoder(
    shape: Sequence[int], latent_dim: int, widths: Sequence[int], seeds, synchronized: bool = False
) -> keras.Model:
    """Dense layer, then residual blocks and nearest upsampling: `[B, L] -> [B, H, W, C]`, linear output."""
    height, width, image_channels = shape
    shrink = 2 ** len(widths)
    bottom = (height // shrink, width // shrink, widths[-1])
    inputs = _input((latent_dim,), "z")
    x = _dense(inputs, math.prod(bottom), seeds, name="in")
    x = keras.layers.ReLU(name="in_relu")(x)
    x = keras.layers.Reshape(bottom, name="reshape")(x)
    for i, channels in enumerate(reversed(widths)):
        x = _residual_block(x, channels, seeds, synchronized, name=f"block_{i}")
        x = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"up_{i}")(x)
    x = _residual_block(x, widths[0], seeds, synchronized, name="block_out")
    x = _conv(x, image_channels, 5, seeds, name="out", use_bias=True, full_precision=True)
    return keras.Model(inputs, x, name="decoder")


def _input(shape, name):
    return keras.Input(shape, name=name, dtype=_full_precision_dtype())


def _mlp(x, widths, num_outputs, seeds):
    for i, units in enumerate(widths):
        x = _dense(x, units, seeds, name=f"hidden_{i}")
        x = keras.layers.ReLU(name=f"relu_{i}")(x)
    return _dense(x, num_outputs, seeds, name="out", full_precision=True)


def _split_posterior(outputs, latent_dim):
    return outputs[:, :latent_dim], outputs[:, latent_dim:]  # first L: mean, last L: log-variance


def _residual_block(x, channels, seeds, synchronized, name):
    shortcut = x
    if x.shape[-1] != channels:
        shortcut = _conv(x, channels, 1, seeds, name=f"{name}_expand")
    x = _conv(x, channels, 3, seeds, name=f"{name}_conv1")
    x = _leaky_relu(_batch_norm(x, synchronized, name=f"{name}_norm1"))
    x = _conv(x, channels, 3, seeds, name=f"{name}_conv2")
    x = _batch_norm(x, synchronized, name=f"{name}_norm2")
    return _leaky_relu(x + shortcut)


def _conv(x, filters, size, seeds, name, use_bias=False, full_precision=False):
    fan_in = size * size * x.shape[-1]
    return keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=FanInUniform(fan_in, seeds()),
        bias_initializer=FanInUniform(fan_in, seeds()),
        dtype=_full_precision_dtype() if full_precision else None,
        name=name,
    )(x)


def _dense(x, units, seeds, name, full_precision=False):
    fan_in = x.shape[-1]
    return keras.layers.Dense(
        units,
        kernel_initializer=FanInUniform(fan_in, seeds()),
        bias_initializer=FanInUniform(fan_in, seeds()),
        dtype=_full_precision_dtype() if full_precision else None,
        name=name,
    )(x)


def _batch_norm(x, synchronized, name):
    return FusedBatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=synchronized, name=name
    )(x)


def _leaky_relu(x):
    if x.dtype == "float64":  # where the operation would round its slope to float32
        return keras.ops.maximum(x, LEAKY_SLOPE * x)
    return keras.ops.leaky_relu(x, LEAKY_SLOPE)


def _full_precision_dtype():
    """The variables' dtype: posteriors and outputs stay in it under mixed precision."""
    return keras.config.dtype_policy().variable_dtype


def _check_divisible(shape, widths):
    shrink = 2 ** len(widths)
    if shape[0] % shrink or shape[1] % shrink:
        raise ValueError(
            f"images of {shape[0]}x{shape[1]} cannot be halved {len(widths)} times (widths "
            f"{','.join(map(str, widths))}): give an image_size divisible by {shrink}, or fewer widths"
        )
