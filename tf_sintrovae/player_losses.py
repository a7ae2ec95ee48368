"""The loss passes of the players: what networks and prior make of a batch, and the losses of that.

`B` examples, `L` latent dimensions, `M` Monte Carlo samples a posterior, `K` components of the prior. A `2B`
batch holds reconstructions, then fakes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_sintrovae import objectives
from tf_sintrovae.kernels import mixture
from tf_sintrovae.noise import DecoderNoise, EncoderNoise, VAENoise
from tf_sintrovae.objective import Objective
from tf_sintrovae.priors import MixtureParameters, Prior


class Posterior(NamedTuple):
    """The real batch's posterior as the decoder player needs it, without gradient.

    Attributes:
        mean: [B, L] posterior means.
        logvar: [B, L] posterior log-variances.
        z: [B, L] a sample of each posterior.
    """

    mean: tf.Tensor
    logvar: tf.Tensor
    z: tf.Tensor


def estimate_kl(
    mean: tf.Tensor,
    logvar: tf.Tensor,
    eps: tf.Tensor,
    prior: tfd.Distribution,
    statistics: bool = False,
    mean_gradient: bool = True,
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Monte Carlo KL of posteriors from the prior, all in one call of its density.

    Args:
        mean: [B, L] posterior means.
        logvar: [B, L] posterior log-variances.
        eps: [M, B, L] standard normal noise of the samples.
        prior: distribution over z [L]; with `statistics`, one of this project's mixtures.
        statistics: whether the mean responsibilities are wanted as well.
        mean_gradient: whether the mean responsibilities carry a gradient.

    Returns:
        The KLs [B] in nats, and the mean responsibilities [K] of all samples or None.
    """
    z = objectives.posterior_samples(mean, logvar, eps)  # [M B, L]
    mean_responsibilities = None
    if statistics:
        log_prob, mean_responsibilities = prior.log_prob_and_mean_responsibilities(
            z, mean_gradient=mean_gradient
        )
    else:
        log_prob = prior.log_prob(z)
    return objectives.monte_carlo_kl(logvar, eps, log_prob), mean_responsibilities


class PlayerLosses:
    """The losses of all players as functions of a batch, its noise, and the prior's parameters.

    Args:
        encoder: Keras model `x [B, *shape] -> (mean, logvar)`, each [B, L].
        decoder: Keras model `z [B, L] -> x [B, *shape]`.
        prior: prior of the model; its parameters are arguments of each pass.
        objective: loss weights.
        joint_batches: whether a network takes reconstructions and fakes as one batch.
        kl_estimator: function with the arguments and results of `estimate_kl`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: Prior,
        objective: Objective,
        joint_batches: bool = False,
        kl_estimator: Callable = estimate_kl,
    ):
        self._encoder, self._decoder, self._prior = encoder, decoder, prior
        self._objective = objective
        self._joint_batches = joint_batches
        self._estimate_kl = kl_estimator

    def vae(
        self, x: tf.Tensor, noise: VAENoise, parameters: MixtureParameters, training: bool = True
    ) -> dict[str, tf.Tensor]:
        """Stage 1: `loss`, and its terms `rec` [B] and `kl` [B]."""
        prior = self._prior.from_parameters(parameters)
        mean, logvar = self._encoder(x, training=training)
        z = objectives.reparameterize(mean, logvar, noise.z)  # [B, L]
        rec = objectives.reconstruction_error(x, self._decoder(z, training=training))
        kl, _ = self._estimate_kl(mean, logvar, noise.kl, prior)
        return {"loss": objectives.vae_loss(rec, kl, self._objective), "rec": rec, "kl": kl}

    def encoder_player(
        self, x: tf.Tensor, noise: EncoderNoise, parameters: MixtureParameters
    ) -> tuple[dict[str, tf.Tensor], Posterior]:
        """The encoder player's `encoder_loss` with its terms, and the real batch's posterior."""
        mean, logvar = self._encoder(x, training=True)
        z = objectives.reparameterize(mean, logvar, noise.z_real)  # [B, L]
        x_rec = self._decoder(z, training=True)
        x_fake = self._decoder(_sample_prior(parameters, noise), training=True)
        generated = self._score_generated(tf.concat([x_rec, x_fake], axis=0), noise, parameters)
        prior = self._prior.from_parameters(parameters)
        kl, mean_responsibilities = self._estimate_kl(
            *(mean, logvar, noise.kl_real, prior),
            statistics=self._prior.num_components > 1,
            mean_gradient=self._objective.responsibility_reg > 0,
        )
        real = objectives.reconstruction_error(x, x_rec), kl
        losses = self._weigh_encoder_terms(
            real, generated, self._regulariser(mean_responsibilities, kl)
        )
        return losses, Posterior(*map(tf.stop_gradient, (mean, logvar, z)))

    def decoder_player(
        self,
        x: tf.Tensor,
        posterior: Posterior,
        noise: DecoderNoise,
        parameters: MixtureParameters,
    ) -> dict[str, tf.Tensor]:
        """The `decoder_loss` that decoder and prior share; the encoder's weights get no step from it."""
        mean, logvar, z = posterior
        latents = tf.concat([_sample_prior(parameters, noise), z], axis=0)
        x_fake, x_rec = tf.split(self._run_both(self._decoder, latents), 2)
        generated = tf.concat([x_rec, x_fake], axis=0)  # [2B, *shape]
        mean_2, logvar_2 = self._run_both(self._encoder, generated)  # [2B, L]
        prior = self._prior.from_parameters(parameters)
        kl, _ = self._estimate_kl(mean, logvar, noise.kl_real, prior)
        kl_2, _ = self._estimate_kl(
            mean_2, logvar_2, noise.kl_generated, self._freeze_prior(parameters)
        )
        rec_2 = None
        if self._objective.gamma_r:
            # The posteriors and the examples are detached here: the term trains decoding alone.
            z_2 = tf.stop_gradient(objectives.reparameterize(mean_2, logvar_2, noise.z_generated))
            rec_2 = objectives.reconstruction_error(
                tf.stop_gradient(generated), self._run_both(self._decoder, z_2)
            )
        real = objectives.reconstruction_error(x, x_rec), kl
        return {"decoder_loss": objectives.decoder_prior_loss(real, kl_2, rec_2, self._objective)}

    def _score_generated(
        self, generated: tf.Tensor, noise: EncoderNoise, parameters: MixtureParameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Reconstruction errors and KLs, each [2B], of what the decoder made, encoded and decoded again."""
        # Detached as the encoder's input only: as targets they carry a gradient.
        mean, logvar = self._run_both(self._encoder, tf.stop_gradient(generated))  # [2B, L]
        z = objectives.reparameterize(mean, logvar, noise.z_generated)
        rec = objectives.reconstruction_error(generated, self._run_both(self._decoder, z))
        kl, _ = self._estimate_kl(mean, logvar, noise.kl_generated, self._freeze_prior(parameters))
        return rec, kl

    def _weigh_encoder_terms(
        self,
        real: tuple[tf.Tensor, tf.Tensor],
        generated: tuple[tf.Tensor, tf.Tensor],
        regulariser: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The encoder's loss of the terms of real and generated examples, with all that is logged."""
        (rec_rec, rec_fake), (kl_rec, kl_fake) = (tf.split(term, 2) for term in generated)
        objective = self._objective
        loss = objectives.encoder_loss(
            real,
            (rec_rec, kl_rec),
            (rec_fake, kl_fake),
            regulariser if objective.responsibility_reg else 0.0,
            objective,
        )
        return {
            "encoder_loss": loss,
            "rec": real[0],
            "kl": real[1],
            "kl_rec": kl_rec,
            "kl_fake": kl_fake,
            "exp_elbo_rec": objectives.exp_elbo(rec_rec, kl_rec, objective),
            "exp_elbo_fake": objectives.exp_elbo(rec_fake, kl_fake, objective),
            "assignment_entropy": -regulariser,
        }

    def _run_both(self, network: keras.Model, batches: tf.Tensor) -> Any:
        """What a network gives, in training, for two batches [2B, ...]."""
        if self._joint_batches:
            return network(batches, training=True)
        first, second = (network(batch, training=True) for batch in tf.split(batches, 2))
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), first, second)

    def _freeze_prior(self, parameters: MixtureParameters) -> tfd.Distribution:
        return self._prior.from_parameters(parameters.stop_gradient())

    def _regulariser(self, mean_responsibilities: tf.Tensor | None, like: tf.Tensor) -> tf.Tensor:
        """R over the global batch; zero for a prior of one component, which has nothing to spread."""
        if mean_responsibilities is None:
            return tf.zeros((), like.dtype)
        means = tf.ensure_shape(mean_responsibilities, (self._prior.num_components,))
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            means = context.all_reduce(tf.distribute.ReduceOp.MEAN, means)
        return objectives.negative_assignment_entropy(means)


def _sample_prior(parameters: MixtureParameters, noise: EncoderNoise | DecoderNoise) -> tf.Tensor:
    """Prior samples [B, L]; differentiable in loc and logvar, not in the weights."""
    component = mixture.sample_components(noise.component, tf.stop_gradient(parameters.logits))
    return mixture.component_sample(component, noise.prior, parameters.loc, parameters.logvar)
