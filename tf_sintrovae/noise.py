"""All randomness of a training step, drawn in one place from (seed, step).

A step's noise is a function of the seed and the step alone: a resumed run draws what an uninterrupted one
would have drawn, and a test can put recorded noise in its stead. Under a distribution strategy every replica
has its own rows of the global batch's noise, so that the noise does not depend on the number of replicas.
"""

import dataclasses
import math
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels.sampling import uniform


class VAENoise(NamedTuple):
    """Noise of a VAE step: standard normals.

    Attributes:
        z: [B, L] noise of the posterior sample that is decoded.
        kl: [M, B, L] noise of the samples that estimate the KL.
    """

    z: tf.Tensor
    kl: tf.Tensor


class EncoderNoise(NamedTuple):
    """Noise of the encoder player.

    Attributes:
        component: [B] uniform numbers that pick the components of the fakes.
        prior: [B, L] noise of the fakes within their components.
        z_real: [B, L] noise of the posterior samples of the data.
        z_generated: [2 B, L] noise of the posterior samples of reconstructions, then fakes.
        kl_real: [M, B, L] noise of the KL samples of the data.
        kl_generated: [M, 2 B, L] noise of the KL samples of reconstructions, then fakes.
    """

    component: tf.Tensor
    prior: tf.Tensor
    z_real: tf.Tensor
    z_generated: tf.Tensor
    kl_real: tf.Tensor
    kl_generated: tf.Tensor


class DecoderNoise(NamedTuple):
    """Noise of the decoder and prior players; fields as in `EncoderNoise`."""

    component: tf.Tensor
    prior: tf.Tensor
    z_generated: tf.Tensor
    kl_real: tf.Tensor
    kl_generated: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Replica:
    """Which part of the global batch is a replica's.

    Attributes:
        count: number of replicas that share the global batch.
        index: index of this one among them.
    """

    count: int = 1
    index: int | tf.Tensor = 0


_ONLY_REPLICA = Replica()
_PHILOX, _BLOCK = 1, 4  # TensorFlow's number of the generator; the numbers that it makes at a time


def current_replica() -> Replica:
    """The replica that runs this code."""
    context = tf.distribute.get_replica_context()
    return Replica(
        tf.distribute.get_strategy().num_replicas_in_sync,
        0 if context is None else context.replica_id_in_sync_group,
    )


class NoiseSource:
    """Draws the noise of one step.

    Args:
        seed: seed of the run.
        step: optimizer step, a scalar int64 tensor.
        batch_size: number of examples on this replica, a scalar int32 tensor.
        latent_dim: number of latent dimensions, L.
        num_mc_samples: number of samples that estimate a KL, M.
        dtype: type of the noise.
        replica: the replica that the noise is for, by default the only one.
    """

    def __init__(
        self,
        seed: int,
        step: tf.Tensor,
        batch_size: tf.Tensor,
        latent_dim: int,
        num_mc_samples: int,
        dtype: tf.DType | str,
        replica: Replica = _ONLY_REPLICA,
    ):
        self._seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64) * 64])
        self._batch_size = batch_size
        self._global_batch_size = batch_size * replica.count
        self._latent_dim = latent_dim
        self._num_mc_samples = num_mc_samples
        self._dtype = dtype
        self._replica = replica
        self._draws = 0

    def vae(self) -> VAENoise:
        """Noise of a VAE step."""
        z, kl = self._normals((1, 1), (self._num_mc_samples, 1))
        return VAENoise(z=z[0], kl=kl)

    def encoder_player(self) -> EncoderNoise:
        """Noise of the encoder player."""
        samples = self._num_mc_samples
        prior, z_real, z_generated, kl_real, kl_generated = self._normals(
            (1, 1), (1, 1), (1, 2), (samples, 1), (samples, 2)
        )
        return EncoderNoise(
            self._uniform(), prior[0], z_real[0], z_generated[0], kl_real, kl_generated
        )

    def decoder_player(self) -> DecoderNoise:
        """Noise of the decoder and prior players."""
        samples = self._num_mc_samples
        prior, z_generated, kl_real, kl_generated = self._normals(
            (1, 1), (1, 2), (samples, 1), (samples, 2)
        )
        return DecoderNoise(self._uniform(), prior[0], z_generated[0], kl_real, kl_generated)

    def _uniform(self) -> tf.Tensor:
        return self._own_rows(uniform([self._global_batch_size], self._next_seed()))  # [B]

    def _normals(self, *blocks: tuple[int, int]) -> list[tf.Tensor]:
        """Standard normals [samples, batches * B, L] for each block `(samples, batches)`."""
        sizes = [samples * batches * self._latent_dim for samples, batches in blocks]
        bits = self._own_bits(sum(sizes))
        normals = _normal_blocks(bits, tuple(blocks), self._latent_dim, self._dtype)
        return [tf.reshape(v, [v.shape[0], -1, v.shape[3]]) for v in normals]

    def _own_bits(self, width: int) -> tf.Tensor:
        """int32 bits [B, width]: of those of the global batch, this replica's rows alone."""
        seed = self._next_seed()
        if self._replica.count == 1:
            return tf.random.stateless_uniform(
                [self._batch_size, width],
                seed,
                minval=None,
                maxval=None,
                dtype=tf.int32,
                alg="philox",
            )
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
        size = self._batch_size * width
        start = tf.cast(self._replica.index * size, tf.int64)
        # Philox counts blocks of four numbers, and begins at any of them at no cost.
        skipped = tf.stack([start // _BLOCK, tf.zeros((), tf.int64)])
        counter = tf.bitcast(tf.bitcast(counter, tf.int64) + skipped, tf.uint64)
        bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[size + _BLOCK - 1], key=key, counter=counter, alg=_PHILOX, dtype=tf.int32
        )
        first = tf.cast(start % _BLOCK, tf.int32)
        return tf.reshape(bits[first : first + size], [self._batch_size, width])

    def _next_seed(self) -> tf.Tensor:
        self._draws += 1
        return self._seed + [0, self._draws]

    def _own_rows(self, values: tf.Tensor) -> tf.Tensor:
        if self._replica.count == 1:
            return values
        rows = self._replica.index * self._batch_size + tf.range(self._batch_size)
        return tf.gather(values, rows)


@tf.function(jit_compile=True, autograph=False)
def _normal_blocks(
    bits: tf.Tensor, blocks: tuple[tuple[int, int], ...], latent_dim: int, dtype: tf.DType | str
) -> list[tf.Tensor]:
    """Standard normals [samples, batches, B, L], made of int32 bits [B, D], D numbers an example.

    An example's noise is a row, so that it does not depend on the batch size. Compiled, and made of integers,
    which are the same eagerly, in graphs and under XLA; TensorFlow's own floating-point draws are not.
    """
    # 24 bits, odd multiples of 2^-24: exact in float32, symmetric, and never -1 or 1.
    symmetric = (tf.cast(tf.bitwise.right_shift(bits, 8), dtype) + 0.5) * 2.0**-23
    normals = math.sqrt(2.0) * tf.math.erfinv(symmetric)  # [B, D]
    sizes = [samples * batches * latent_dim for samples, batches in blocks]
    return [
        tf.transpose(tf.reshape(part, [-1, batches, samples, latent_dim]), (2, 1, 0, 3))
        for part, (samples, batches) in zip(tf.split(normals, sizes, axis=1), blocks, strict=True)
    ]
