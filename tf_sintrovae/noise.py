"""All randomness of a training step, drawn in one place from (seed, step).

A step's noise is a function of the seed and the step alone: a resumed run draws what an uninterrupted one
would have drawn, and a test can put recorded noise in its stead. Under a distribution strategy every replica
draws the noise of the global batch and keeps its own rows, so that the noise does not depend on the number
of replicas.
"""

from typing import NamedTuple

import tensorflow as tf


class VAENoise(NamedTuple):
    """Noise of a VAE step: standard normals.

    Attributes:
        z: [B, L] of the posterior sample that is decoded.
        kl: [M, B, L] of the samples that estimate the KL.
    """

    z: tf.Tensor
    kl: tf.Tensor


class EncoderNoise(NamedTuple):
    """Noise of the encoder player.

    Attributes:
        component: [B] uniform, picks the components of the fakes.
        prior: [B, L] of the fakes within their components.
        z_real: [B, L] of the posterior samples of the data.
        z_generated: [2 B, L] of the posterior samples of reconstructions, then fakes.
        kl_real: [M, B, L] of the KL samples of the data.
        kl_generated: [M, 2 B, L] of the KL samples of reconstructions, then fakes.
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


class NoiseSource:
    """Draws the noise of one step.

    Args:
        seed: of the run.
        step: scalar int64 tensor, the optimizer step.
        batch_size: scalar int32 tensor, examples on this replica.
        latent_dim: L.
        num_mc_samples: M.
        dtype: of the noise.
        num_replicas: replicas that share the global batch.
        replica: index of this one.
    """

    def __init__(
        self, seed, step, batch_size, latent_dim, num_mc_samples, dtype, num_replicas=1, replica=0
    ):
        self._seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64) * 64])
        self._batch_size = batch_size
        self._latent_dim = latent_dim
        self._num_mc_samples = num_mc_samples
        self._dtype = dtype
        self._num_replicas = num_replicas
        self._replica = replica
        self._draws = 0

    def vae(self) -> VAENoise:
        """Noise of a VAE step."""
        return VAENoise(z=self._posterior(), kl=self._samples())

    def encoder_player(self) -> EncoderNoise:
        """Noise of the encoder player."""
        return EncoderNoise(
            component=self._uniform(),
            prior=self._posterior(),
            z_real=self._posterior(),
            z_generated=tf.concat([self._posterior(), self._posterior()], axis=0),
            kl_real=self._samples(),
            kl_generated=tf.concat([self._samples(), self._samples()], axis=1),
        )

    def decoder_player(self) -> DecoderNoise:
        """Noise of the decoder and prior players."""
        return DecoderNoise(
            component=self._uniform(),
            prior=self._posterior(),
            z_generated=tf.concat([self._posterior(), self._posterior()], axis=0),
            kl_real=self._samples(),
            kl_generated=tf.concat([self._samples(), self._samples()], axis=1),
        )

    def _uniform(self):
        return self._draw(tf.random.stateless_uniform, ())  # [B]

    def _posterior(self):
        return self._draw(tf.random.stateless_normal, (self._latent_dim,))  # [B, L]

    def _samples(self):
        # Drawn batch-major, so that a replica's rows are contiguous in every kind of noise.
        shape = (self._num_mc_samples, self._latent_dim)
        return tf.transpose(self._draw(tf.random.stateless_normal, shape), (1, 0, 2))  # [M, B, L]

    def _draw(self, sampler, shape):
        self._draws += 1
        global_shape = (self._batch_size * self._num_replicas, *shape)
        # Philox gives the same numbers eagerly and in graphs, on every device; a step compiled by XLA draws
        # others from the same seed (seen on CPUs, TensorFlow 2.21), as good and as reproducible.
        values = sampler(
            global_shape, self._seed + [0, self._draws], dtype=self._dtype, alg="philox"
        )
        if self._num_replicas == 1:
            return values
        start = self._replica * self._batch_size
        return values[start : start + self._batch_size]
