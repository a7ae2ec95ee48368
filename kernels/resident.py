"""The form by matrix products, its responsibilities [N, K] kept from the forward to the backward program.

A form is a file with a type of state and the same names: `EXPANDS`, `forward`, `mean_responsibilities`,
`grad_z`, `grad_components`, and `rounding` and `largest_responsibility` for the estimates of `estimates`.
`programs` compiles them, and chooses the type of their arguments.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import estimates, expanded
from tf_sintrovae.kernels.components import (
    Components,
    ComponentsGradient,
    Upstream,
    add_in_float64,
    grad_log_joint,
)

# Squares of differences are expanded, so that float32 is not always wide enough.
EXPANDS = True


class ResidentState(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N] log-densities.
        responsibilities: [N, K] posterior probabilities of the components.
        log_total: [N] log of the sum of a sample's joint densities relative to the largest of them.
    """

    log_prob: tf.Tensor
    responsibilities: tf.Tensor
    log_total: tf.Tensor


def forward(z: tf.Tensor, components: Components, dtype: tf.DType) -> ResidentState:
    """Log-densities and responsibilities.

    Args:
        z: [N, L] samples, in the type of the products.
        components: all K components, in that type.
        dtype: type of exponentials and results.
    """
    joint = expanded.log_joint(z, components)  # [N, K]
    shift = tf.reduce_max(joint, axis=1)  # [N]
    terms = tf.exp(tf.cast(joint - shift[:, tf.newaxis], dtype))
    total = tf.reduce_sum(terms, axis=1)  # [N]
    log_total = tf.math.log(total)
    log_prob = add_in_float64(shift, log_total, components.offset)
    return ResidentState(log_prob, terms / total[:, tf.newaxis], log_total)


def mean_responsibilities(z: tf.Tensor, components: Components, state: ResidentState) -> tf.Tensor:
    """Mean [K] of the responsibilities over the samples."""
    return tf.reduce_mean(state.responsibilities, axis=0)


def grad_z(
    z: tf.Tensor, components: Components, state: ResidentState, upstream: Upstream
) -> tf.Tensor:
    """Gradient [N, L] at the samples, of the type of z."""
    return expanded.grad_z(_weight(z, state, upstream), z, components)


def grad_components(
    z: tf.Tensor, components: Components, state: ResidentState, upstream: Upstream
) -> ComponentsGradient:
    """Gradients at the components, of the type of z."""
    return expanded.grad_components(_weight(z, state, upstream), z, components)


def rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> estimates.Rounding:
    """Relative error that a float32 responsibility may have."""
    return estimates.expanded_rounding(z, loc, logvar)


def largest_responsibility(state: ResidentState) -> tf.Tensor:
    """Each sample's largest responsibility [N]: the total is relative to its largest joint density."""
    return tf.exp(-state.log_total)


def _weight(z: tf.Tensor, state: ResidentState, upstream: Upstream) -> tf.Tensor:
    return tf.cast(grad_log_joint(state.responsibilities, upstream), z.dtype)  # [N, K]
