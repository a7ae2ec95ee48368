"""What the kernels pass to each other: blocks of components, gradients at them, gradients that arrive."""

from typing import NamedTuple

import tensorflow as tf


class Components(NamedTuple):
    """A block of k components.

    Attributes:
        loc: [k, L] means.
        logvar: [k, L] log-variances.
        log_weight: [k] normalised log weights.
    """

    loc: tf.Tensor
    logvar: tf.Tensor
    log_weight: tf.Tensor


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
        total: gradient at the responsibilities times `count`: [N, K], or [1, K] where it is the same for
            every sample, as that of their mean is; None where there is none.
        count: scalar that divides `total`, apart from it so that the division rounds in the type of use; 1
            when None.
    """

    log_prob: tf.Tensor
    total: tf.Tensor | None = None
    count: tf.Tensor | None = None

    @property
    def responsibilities(self) -> tf.Tensor | None:
        """Gradient at the responsibilities, [N, K] or [1, K]; None where there is none."""
        if self.count is None:
            return self.total
        return self.total / tf.cast(self.count, self.total.dtype)


def normalise_weights(loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor) -> Components:
    """All K components of a mixture, their log weights normalised."""
    return Components(loc, logvar, tf.nn.log_softmax(logits))


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
