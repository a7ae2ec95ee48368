"""Encoders and decoders: residual convolutions for images, dense layers for points in the plane.

The networks are those of the paper's experiments, with PyTorch's defaults kept where they are part of the
result: uniform(+-1/sqrt(fan_in)) initialisation, batch-norm epsilon 1e-5 and momentum 0.1.
An encoder maps `x [B, *shape]` to `(mean [B, L], logvar [B, L])`, a decoder `z [B, L]` to `x [B, *shape]`.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras

from tf_sintrovae.normalization import FusedBatchNormalization

LEAKY_SLOPE = 0.2


@keras.saving.register_keras_serializable("tf_sintrovae")
class FanInUniform(keras.initializers.Initializer):
    """Uniform on +-1/sqrt(fan_in), for a kernel and for the bias beside it.

    Args:
        fan_in: number of inputs of one unit; taken from the kernel's shape when None, which no bias's shape
            tells.
        seed: seed of the draw; two initialisers of one seed give the same values for the same shape.
    """

    def __init__(self, fan_in: int | None = None, seed: int | None = None):
        self.fan_in = fan_in
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> keras.KerasTensor:
        """Draws a tensor of `shape`."""
        limit = 1.0 / math.sqrt(self.fan_in or math.prod(shape[:-1]))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, for Keras serialisation."""
        return {"fan_in": self.fan_in, "seed": self.seed}


class LayerMaker:
    """Makes the layers of one pair of networks: each of one policy, each initialiser with a seed of its own.

    Nothing is taken from Keras's global policy, and nothing is left there.

    Args:
        seed: seed of the initial weights.
        policy: policy of every layer but those in full precision.
        synchronized: whether replicas share their batch-norm statistics.
    """

    def __init__(self, seed: int, policy: keras.DTypePolicy, synchronized: bool):
        self._last_seed = 1000 * seed
        self._policy = policy
        self._synchronized = synchronized

    @property
    def full_precision(self) -> str:
        """The variables' dtype: inputs, posteriors and outputs stay in it under mixed precision."""
        return self._policy.variable_dtype

    def input(self, shape: Sequence[int], name: str) -> keras.KerasTensor:
        """The input of a network."""
        return keras.Input(shape, name=name, dtype=self.full_precision)

    def conv(
        self,
        x: keras.KerasTensor,
        filters: int,
        size: int,
        name: str,
        use_bias: bool = False,
        full_precision: bool = False,
    ) -> keras.KerasTensor:
        """A convolution that keeps height and width."""
        fan_in = size * size * x.shape[-1]
        return keras.layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=FanInUniform(fan_in, self._next_seed()),
            bias_initializer=FanInUniform(fan_in, self._next_seed()),
            dtype=self.full_precision if full_precision else self._policy,
            name=name,
        )(x)

    def dense(
        self, x: keras.KerasTensor, units: int, name: str, full_precision: bool = False
    ) -> keras.KerasTensor:
        """A dense layer without activation."""
        fan_in = x.shape[-1]
        return keras.layers.Dense(
            units,
            kernel_initializer=FanInUniform(fan_in, self._next_seed()),
            bias_initializer=FanInUniform(fan_in, self._next_seed()),
            dtype=self.full_precision if full_precision else self._policy,
            name=name,
        )(x)

    def batch_norm(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Batch norm with PyTorch's constants."""
        return FusedBatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            synchronized=self._synchronized,
            dtype=self._policy,
            name=name,
        )(x)

    def plain(self, kind: type, *args: Any, name: str) -> keras.layers.Layer:
        """A layer of `kind` that has no weights."""
        return kind(*args, dtype=self._policy, name=name)

    def _next_seed(self) -> int:
        self._last_seed += 1
        return self._last_seed


def build_networks(
    shape: Sequence[int],
    latent_dim: int,
    widths: Sequence[int],
    seed: int = 0,
    synchronized: bool = False,
    dtype: str | keras.DTypePolicy | None = None,
) -> tuple[keras.Model, keras.Model]:
    """The encoder and decoder that suit the shape of an example.

    Args:
        shape: shape of an example, `(D,)` for points, `(H, W, C)` for images.
        latent_dim: number of latent dimensions, L.
        widths: units of each hidden dense layer, or channels of each resolution; `default_widths(shape)`
            gives those of the experiments.
        seed: seed of the initial weights.
        synchronized: whether replicas share their batch-norm statistics.
        dtype: Keras policy of every layer, such as "mixed_bfloat16"; the global one when None. Inputs,
            posteriors and outputs stay in the variables' dtype.

    Returns:
        The pair `(encoder, decoder)`.

    Raises:
        ValueError: an image whose sides are not divisible by `2 ** len(widths)`, or another rank of shape.
    """
    layers = LayerMaker(seed, _policy(dtype), synchronized)
    if len(shape) == 1:
        return (
            mlp_encoder(shape[0], latent_dim, widths, layers),
            mlp_decoder(shape[0], latent_dim, widths, layers),
        )
    if len(shape) != 3:
        raise ValueError(f"shape {tuple(shape)}: expected (D,) for points or (H, W, C) for images")
    _check_divisible(shape, widths)
    return (
        conv_encoder(shape, latent_dim, widths, layers),
        conv_decoder(shape, latent_dim, widths, layers),
    )


def default_widths(shape: Sequence[int]) -> tuple[int, ...]:
    """Widths that suit the shape of an example.

    4 x 256 units for points and 64, 128, 256 channels for images from 32 pixels on, 64, 128 for smaller ones,
    as in the paper; 32, 64 for images under 16 pixels, such as the digits.
    """
    if len(shape) == 1:
        return (256, 256, 256, 256)
    side = min(shape[:2])
    if side < 16:
        return (32, 64)
    return (64, 128, 256) if side >= 32 else (64, 128)


def mlp_encoder(
    data_dim: int, latent_dim: int, widths: Sequence[int], layers: LayerMaker
) -> keras.Model:
    """Dense layers with ReLU: `[B, data_dim] -> (mean, logvar)`, each `[B, latent_dim]`."""
    inputs = layers.input((data_dim,), "x")
    outputs = _mlp(inputs, widths, 2 * latent_dim, layers)
    return keras.Model(inputs, _split_posterior(outputs, latent_dim), name="encoder")


def mlp_decoder(
    data_dim: int, latent_dim: int, widths: Sequence[int], layers: LayerMaker
) -> keras.Model:
    """Dense layers with ReLU: `[B, latent_dim] -> [B, data_dim]`."""
    inputs = layers.input((latent_dim,), "z")
    return keras.Model(inputs, _mlp(inputs, widths, data_dim, layers), name="decoder")


def conv_encoder(
    shape: Sequence[int], latent_dim: int, widths: Sequence[int], layers: LayerMaker
) -> keras.Model:
    """5x5 convolution, then residual blocks and average pooling: `[B, H, W, C] -> (mean, logvar)`."""
    pool = keras.layers.AveragePooling2D
    inputs = layers.input(tuple(shape), "x")
    x = layers.conv(inputs, widths[0], 5, name="in")
    x = _leaky_relu(layers.batch_norm(x, name="in_norm"))
    x = layers.plain(pool, 2, name="in_down")(x)
    for i, channels in enumerate(widths[1:], start=1):
        x = _residual_block(x, channels, layers, name=f"block_{i}")
        x = layers.plain(pool, 2, name=f"down_{i}")(x)
    x = _residual_block(x, widths[-1], layers, name="block_out")
    x = layers.plain(keras.layers.Flatten, name="flatten")(x)
    x = layers.dense(x, 2 * latent_dim, name="posterior", full_precision=True)
    return keras.Model(inputs, _split_posterior(x, latent_dim), name="encoder")


def conv_decoder(
    shape: Sequence[int], latent_dim: int, widths: Sequence[int], layers: LayerMaker
) -> keras.Model:
    """Dense layer, then residual blocks and nearest upsampling: `[B, L] -> [B, H, W, C]`, linear output."""
    height, width, image_channels = shape
    shrink = 2 ** len(widths)
    bottom = (height // shrink, width // shrink, widths[-1])
    inputs = layers.input((latent_dim,), "z")
    x = layers.dense(inputs, math.prod(bottom), name="in")
    x = layers.plain(keras.layers.ReLU, name="in_relu")(x)
    x = layers.plain(keras.layers.Reshape, bottom, name="reshape")(x)
    for i, channels in enumerate(reversed(widths)):
        x = _residual_block(x, channels, layers, name=f"block_{i}")
        x = layers.plain(keras.layers.UpSampling2D, 2, name=f"up_{i}")(x)  # nearest
    x = _residual_block(x, widths[0], layers, name="block_out")
    x = layers.conv(x, image_channels, 5, name="out", use_bias=True, full_precision=True)
    return keras.Model(inputs, x, name="decoder")


def _mlp(x, widths, num_outputs, layers):
    for i, units in enumerate(widths):
        x = layers.dense(x, units, name=f"hidden_{i}")
        x = layers.plain(keras.layers.ReLU, name=f"relu_{i}")(x)
    return layers.dense(x, num_outputs, name="out", full_precision=True)


def _split_posterior(outputs, latent_dim):
    return outputs[:, :latent_dim], outputs[:, latent_dim:]  # first L: mean, last L: log-variance


def _residual_block(x, channels, layers, name):
    shortcut = x
    if x.shape[-1] != channels:
        shortcut = layers.conv(x, channels, 1, name=f"{name}_expand")
    x = layers.conv(x, channels, 3, name=f"{name}_conv1")
    x = _leaky_relu(layers.batch_norm(x, name=f"{name}_norm1"))
    x = layers.conv(x, channels, 3, name=f"{name}_conv2")
    x = layers.batch_norm(x, name=f"{name}_norm2")
    return _leaky_relu(x + shortcut)


def _leaky_relu(x):
    if x.dtype == "float64":  # where the operation would round its slope to float32
        return keras.ops.maximum(x, LEAKY_SLOPE * x)
    return keras.ops.leaky_relu(x, LEAKY_SLOPE)


def _policy(dtype: str | keras.DTypePolicy | None) -> keras.DTypePolicy:
    return keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)


def _check_divisible(shape, widths):
    shrink = 2 ** len(widths)
    if shape[0] % shrink or shape[1] % shrink:
        raise ValueError(
            f"images of {shape[0]}x{shape[1]} cannot be halved {len(widths)} times (widths "
            f"{','.join(map(str, widths))}): give an image_size divisible by {shrink}, or fewer widths"
        )
