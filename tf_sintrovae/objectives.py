"""The losses, as functions of tensors (paper, Sec. 3; Soft-IntroVAE, Eq. 4 to 6).

`B` examples, `L` latent dimensions, `M` Monte Carlo samples a posterior, `K` mixture components.
"""

import math

import tensorflow as tf

from tf_sintrovae.objective import Objective


def reparameterize(mean: tf.Tensor, logvar: tf.Tensor, eps: tf.Tensor) -> tf.Tensor:
    """`mean + exp(logvar / 2) * eps`, of the broadcast shape; `eps` is standard normal noise."""
    return mean + tf.exp(0.5 * logvar) * eps


def reconstruction_error(x: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Squared error summed over each example, without a factor 1/2: [B]."""
    return tf.reduce_sum(tf.square(x - reconstruction), axis=list(range(1, x.shape.rank)))


def posterior_samples(mean: tf.Tensor, logvar: tf.Tensor, eps: tf.Tensor) -> tf.Tensor:
    """Monte Carlo samples of posteriors, sample-major: row `m * B + b` is sample m of example b.

    Args:
        mean: [B, L] posterior means.
        logvar: [B, L] posterior log-variances.
        eps: [M, B, L] standard normal noise.

    Returns:
        The samples, [M * B, L].
    """
    return tf.reshape(reparameterize(mean, logvar, eps), (-1, mean.shape[-1]))


def monte_carlo_kl(logvar: tf.Tensor, eps: tf.Tensor, prior_log_prob: tf.Tensor) -> tf.Tensor:
    """KL(q || p) from samples: `mean_M[log q(z) - log p(z)]`.

    The posterior's density is taken at its own samples, where the standardised residual is the noise itself:
    the mean cancels from it.

    Args:
        logvar: [B, L] posterior log-variances.
        eps: [M, B, L] noise that gave the samples.
        prior_log_prob: [M * B] log p(z) at `posterior_samples(mean, logvar, eps)`.

    Returns:
        The KL of each posterior, [B] in nats.
    """
    log_2pi = tf.constant(math.log(2.0 * math.pi), logvar.dtype)
    residual = tf.reduce_mean(tf.square(eps), axis=0)  # [B, L]
    log_q = -0.5 * tf.reduce_sum(residual + logvar + log_2pi, axis=-1)  # [B], mean over M
    log_p = tf.reduce_mean(tf.reshape(prior_log_prob, tf.shape(eps)[:2]), axis=0)  # [B]
    return log_q - log_p


def negative_assignment_entropy(mean_responsibilities: tf.Tensor) -> tf.Tensor:
    """The regulariser R: minus the entropy of the mean responsibilities (paper, Sec. 4).

    Args:
        mean_responsibilities: [K] means of the responsibilities over all posterior samples of a real batch.

    Returns:
        R, a scalar in [-1, 0]: divided by log K wherever log K > 1, that is from K = 3 on.
    """
    num_components = mean_responsibilities.shape[-1]
    epsilon = tf.constant(1e-8, mean_responsibilities.dtype)
    value = tf.reduce_sum(mean_responsibilities * tf.math.log(mean_responsibilities + epsilon))
    return value / tf.constant(max(math.log(num_components), 1.0), value.dtype)


def _scale(objective: Objective) -> float:
    """The factor s of all losses.

    Raises:
        ValueError: an objective whose scale was left open.
    """
    if objective.scale is None:
        raise ValueError("the objective has no scale: give one, or call its `for_examples`")
    return objective.scale


def vae_loss(rec: tf.Tensor, kl: tf.Tensor, objective: Objective) -> tf.Tensor:
    """Stage 1: the negative beta-ELBO of `rec [B]` and `kl [B]`, a scalar without the scale s."""
    return objective.beta_rec * tf.reduce_mean(rec) + objective.beta_kl * tf.reduce_mean(kl)


def exp_elbo(rec: tf.Tensor, kl: tf.Tensor, objective: Objective) -> tf.Tensor:
    """The soft threshold on a generated batch: `mean exp(-alpha s (beta_rec rec + beta_neg kl))`."""
    energy = _scale(objective) * (objective.beta_rec * rec + objective.beta_neg * kl)
    return tf.reduce_mean(tf.exp(-objective.alpha * energy))


def encoder_loss(
    real: tuple[tf.Tensor, tf.Tensor],
    reconstructed: tuple[tf.Tensor, tf.Tensor],
    fake: tuple[tf.Tensor, tf.Tensor],
    regulariser: tf.Tensor | float,
    objective: Objective,
) -> tf.Tensor:
    """The encoder player's loss: a high ELBO for real data, a low one for what the decoder makes.

    Args:
        real: `(rec [B], kl [B])` of the data.
        reconstructed: `(rec [B], kl [B])` of the reconstructions, encoded again.
        fake: `(rec [B], kl [B])` of the samples, encoded.
        regulariser: the regulariser R, a scalar.
        objective: the loss weights.

    Returns:
        The loss, a scalar.
    """
    generated = exp_elbo(*reconstructed, objective) + exp_elbo(*fake, objective)
    regularisation = _scale(objective) * objective.responsibility_reg * regulariser
    return (
        _scale(objective) * vae_loss(*real, objective)
        + generated / (2.0 * objective.alpha)
        + regularisation
    )


def decoder_prior_loss(
    real: tuple[tf.Tensor, tf.Tensor],
    kl_generated: tf.Tensor,
    rec_generated: tf.Tensor | None,
    objective: Objective,
) -> tf.Tensor:
    """The loss that decoder and prior share: a high ELBO for data and for what they make.

    Args:
        real: `(rec [B], kl [B])` of the data.
        kl_generated: [2 B] KLs of reconstructions and samples.
        rec_generated: [2 B] reconstruction errors of both, or None when `gamma_r` is 0.
        objective: the loss weights.

    Returns:
        The loss, a scalar.
    """
    loss = vae_loss(*real, objective)
    loss += objective.gamma * objective.beta_kl * tf.reduce_mean(kl_generated)
    if rec_generated is not None:
        loss_weight = objective.gamma * objective.gamma_r * objective.beta_rec
        loss += loss_weight * tf.reduce_mean(rec_generated)
    return _scale(objective) * loss
