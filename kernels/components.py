"""What the kernels pass to each other: blocks of components, gradients at them, gradients that arrive."""

import math
from typing import NamedTuple

import tensorflow as tf


class Components(NamedTuple):
    """A block of k components.

    Attributes:
        loc: [k, L] means.
        logvar: [k, L] log-variances.
        log_peak: [k] log of weight times density at the mean, less `offset`.
        offset: scalar float64, the largest log peak of all components of the mixture. It cancels from the
            responsibilities; without it a float32 log peak would round by the ulp of the whole volume.
    """

    loc: tf.Tensor
    logvar: tf.Tensor
    log_peak: tf.Tensor
    offset: tf.Tensor


class ComponentsGradient(NamedTuple):
    """Gradients at a block of components, with the sizes that tell how far rounding may have moved them.

    Attributes:
        loc: [k, L] gradient at the means.
        logvar: [k, L] gradient at the log-variances.
        log_weight: [k] gradient at the log weights; also the size of its terms, where all have one sign.
        loc_size: [k, L] bound of the sum of the absolute values of the terms of `loc`, likewise.
        logvar_size: [k, L] bound of the sum of the absolute values of the terms of `logvar`, likewise.
        loc_moments: [k, L] absolute values of the moments from whose difference `loc` was made.
        logvar_moments: [k, L] absolute values of the moments from whose difference `logvar` was made.
    """

    loc: tf.Tensor
    logvar: tf.Tensor
    log_weight: tf.Tensor
    loc_size: tf.Tensor
    logvar_size: tf.Tensor
    loc_moments: tf.Tensor
    logvar_moments: tf.Tensor


class Upstream(NamedTuple):
    """Gradients at what a forward program gave.

    Attributes:
        log_prob: [N] gradient at the log-densities.
        total: gradient at the responsibilities times `divisor`: [N, K], or [1, K] where it is the same for
            every sample, as that of their mean is; None where there is none.
        divisor: scalar that divides `total`, apart from it so that the division rounds in the type of use; 1
            when None.
    """

    log_prob: tf.Tensor
    total: tf.Tensor | None = None
    divisor: tf.Tensor | None = None

    @property
    def responsibilities(self) -> tf.Tensor | None:
        """Gradient at the responsibilities, [N, K] or [1, K]; None where there is none."""
        if self.total is None or self.divisor is None:
            return self.total
        return self.total / tf.cast(self.divisor, self.total.dtype)


def make_components(loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor) -> Components:
    """All K components of a mixture.

    Args:
        loc: [K, L] means.
        logvar: [K, L] log-variances, of the same type.
        logits: [K] unnormalised log weights, of the same type.
    """
    wide_logvar, wide_logits = tf.cast(logvar, tf.float64), tf.cast(logits, tf.float64)
    log_volume = 0.5 * tf.reduce_sum(wide_logvar + math.log(2 * math.pi), axis=1)  # [K]
    log_peak = tf.nn.log_softmax(wide_logits) - log_volume
    offset = tf.stop_gradient(tf.reduce_max(log_peak))
    return Components(loc, logvar, tf.cast(log_peak - offset, loc.dtype), offset)


def add_in_float64(shift: tf.Tensor, log_total: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Log-density [N] from its parts, of the type of `log_total`.

    The ulp of a log-density of 1e5 is 0.008 in float32: the parts are added before they are rounded.

    Args:
        shift: [N] largest joint log-density of a sample.
        log_total: [N] log of the sum of the joint densities relative to it.
        offset: scalar float64 that was taken off all of them.
    """
    wide = tf.cast(shift, tf.float64) + tf.cast(log_total, tf.float64) + offset
    return tf.cast(wide, log_total.dtype)


def grad_log_joint(responsibilities: tf.Tensor, upstream: Upstream) -> tf.Tensor:
    """Gradient [N, K] at the joint log-densities: r_nk (g_n + G_nk - sum_j r_nj G_nj).

    Args:
        responsibilities: [N, K] r.
        upstream: gradients g at the log-densities and G at the responsibilities.
    """
    grad_density = upstream.log_prob[:, tf.newaxis]  # [N, 1]
    if upstream.total is None:
        return responsibilities * grad_density
    values = upstream.responsibilities
    expected = tf.reduce_sum(responsibilities * values, axis=1, keepdims=True)  # [N, 1]
    return responsibilities * (grad_density - expected + values)
