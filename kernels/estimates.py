"""How far rounding may have moved a gradient: what decides whether it is made again in float64.

The estimates hold over the promised range of parameters (docs/kernels.md); tests/kernels/test_estimates.py
compares them with the observed errors.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels.components import Components, ComponentsGradient, Upstream
from tf_sintrovae.kernels.precision import FLOAT32_LIMIT, expansion_size

FLOAT32_ROUNDING = 2.0**-24
# Error that a gradient may have by its estimate, relative to its norm: half of the promised 1e-4.
GRADIENT_TOLERANCE = 5e-5
# Squared distance, in standard deviations, of most samples from the components that matter to them.
CONSIDERABLE_DISTANCE = 24.0


class Rounding(NamedTuple):
    """Relative error that a float32 responsibility may have.

    Attributes:
        constant: error in any case, a scalar.
        per_distance: error for each unit of squared distance, in standard deviations.
    """

    constant: tf.Tensor | float
    per_distance: float


# Of the direct form: a few roundings, and those of the distance.
DIRECT_ROUNDING = Rounding(8 * FLOAT32_ROUNDING, FLOAT32_ROUNDING)


def expanded_rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> Rounding:
    """Rounding of the forms by products.

    A few roundings of the exponential and the sum; and where the joint densities were made in float32,
    theirs, for which a quarter of the terms' bound is what is seen.

    Args:
        z: [N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
    """
    size = expansion_size(z, loc, logvar)
    of_joint = tf.where(size <= FLOAT32_LIMIT, 0.25 * size, 0.0)
    return Rounding(FLOAT32_ROUNDING * (4.0 + of_joint), 0.0)


def components_error(gradient: ComponentsGradient, rounding: Rounding) -> tuple[tf.Tensor, ...]:
    """Estimated norms of the errors of gradients at the components, whose terms all have one sign.

    Two errors enter: that of the responsibilities, times the sum of the terms' absolute values, and that of
    the moments' difference.

    Args:
        gradient: gradient at the components, in float32.
        rounding: relative error of a responsibility.

    Returns:
        Scalars, of the gradients at the means, the log-variances and the log weights.
    """
    relative = rounding.constant + rounding.per_distance * CONSIDERABLE_DISTANCE
    sizes = (gradient.loc_size, gradient.logvar_size, gradient.log_weight)
    moments = (gradient.loc_moments, gradient.logvar_moments, gradient.log_weight)
    return tuple(
        relative * tf.norm(size) + FLOAT32_ROUNDING * tf.norm(moment)
        for size, moment in zip(sizes, moments, strict=True)
    )


def components_are_accurate(
    gradient: ComponentsGradient, grad_logits: tf.Tensor, rounding: Rounding
) -> tf.Tensor:
    """Whether gradients at the components are accurate to the tolerance, by estimate: a boolean.

    Near an optimum of the density they are small sums of large terms: each argument's norm must be large
    enough beside its error.

    Args:
        gradient: gradient at the components, in float32.
        grad_logits: [K] gradient at the logits, made of `gradient.log_weight`.
        rounding: relative error of a responsibility.
    """
    errors = components_error(gradient, rounding)
    values = (gradient.loc, gradient.logvar, grad_logits)
    loc, logvar, logits = (
        error <= GRADIENT_TOLERANCE * tf.norm(value)
        for error, value in zip(errors, values, strict=True)
    )
    # One component's weight is 1 whatever its logit, and that gradient is zero.
    return loc & logvar & (logits | (tf.size(grad_logits) == 1))


def samples_error(
    upstream: Upstream,
    log_prob: tf.Tensor,
    largest: tf.Tensor,
    components: Components,
    rounding: Rounding,
) -> tf.Tensor:
    """Estimated norm of the error of the gradient at the samples: a scalar.

    A sample is pulled to several components, and the pulls may cancel. Rounding moves a responsibility by
    itself times the others' sum; a component pulls at most as its distance, which the density bounds.

    Args:
        upstream: gradients that arrive.
        log_prob: [N] log-densities.
        largest: [N] each sample's largest responsibility.
        components: all K components.
        rounding: relative error of a responsibility.
    """
    _, logvar, log_weight = components
    log_two_pi = tf.constant(math.log(2 * math.pi), logvar.dtype)
    peak = tf.reduce_max(log_weight - 0.5 * tf.reduce_sum(logvar + log_two_pi, axis=1))
    # [N] squared, of the components that matter
    distance = tf.maximum(2 * (peak - log_prob), 0) + 2
    pull = tf.sqrt(tf.reduce_max(tf.exp(-logvar)) * distance)
    moved = 2 * (1 - largest) * (rounding.constant + rounding.per_distance * distance)
    return tf.norm(_upstream_size(upstream) * moved * pull)


def has_one_sign(upstream: Upstream) -> tf.Tensor:
    """Whether the gradients at all joint log-densities have the same sign: a boolean, False where unsure."""
    lowest = highest = upstream.log_prob  # [N]
    if upstream.total is not None:
        values = upstream.responsibilities
        spread = tf.reduce_max(values, axis=1) - tf.reduce_min(values, axis=1)
        lowest, highest = lowest - spread, highest + spread
    return tf.reduce_all(lowest >= 0) | tf.reduce_all(highest <= 0)


def _upstream_size(upstream: Upstream) -> tf.Tensor:
    """How much the gradients that arrive weigh for each sample: [N]."""
    size = tf.abs(upstream.log_prob)
    if upstream.total is not None:
        size += 2 * tf.reduce_max(tf.abs(upstream.responsibilities), axis=1)
    return size
