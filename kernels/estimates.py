"""How far rounding may have moved a gradient: what decides whether it is made again in float64.

The estimates hold over the promised range of parameters (docs/kernels.md); tests/kernels/test_estimates.py
compares them with the observed errors.
"""

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
    """How far rounding may move a float32 responsibility, and the difference of a sample and a mean.

    Attributes:
        constant: relative error of a responsibility in any case, a scalar.
        per_distance: relative error of a responsibility for each unit of squared distance, in standard
            deviations.
        displacement: error of a difference, in standard deviations, a scalar.
    """

    constant: tf.Tensor | float
    per_distance: float
    displacement: tf.Tensor | float


# The direct form has a few roundings, and those of the distance; its differences are exact.
DIRECT_ROUNDING = Rounding(8 * FLOAT32_ROUNDING, FLOAT32_ROUNDING, 0.0)


def expanded_rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> Rounding:
    """Rounding of the forms by products.

    A few roundings of the exponential and the sum; and where the joint densities were made in float32,
    theirs, for which a quarter of the terms' bound is what is seen, and those of positions, which the
    gradient at a sample subtracts from each other.

    Args:
        z: [N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
    """
    size = expansion_size(z, loc, logvar)
    narrow_size = tf.where(size <= FLOAT32_LIMIT, size, 0.0)
    return Rounding(
        constant=FLOAT32_ROUNDING * (4.0 + 0.25 * narrow_size),
        per_distance=0.0,
        displacement=FLOAT32_ROUNDING * 2.0 * tf.sqrt(narrow_size),
    )


def components_error(gradient: ComponentsGradient, rounding: Rounding) -> tuple[tf.Tensor, ...]:
    """Estimated norms of the errors of gradients at the components, whose terms all have one sign.

    Two errors enter: that of the responsibilities, times the sum of the terms' absolute values, and that of
    the moments' difference.

    Args:
        gradient: gradient at the components, in float32.
        rounding: relative error of a responsibility.

    Returns:
        The norms of the errors at the means, the log-variances and the log weights, scalars.
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
    itself times the others' sum; a component pulls at most as its distance, which the density bounds. The
    distance itself may be wrong by the displacement.

    Args:
        upstream: gradients at what the forward program gave.
        log_prob: [N] log-densities.
        largest: [N] each sample's largest responsibility.
        components: all K components.
        rounding: relative error of a responsibility.
    """
    # [N] squared, of the components that matter: the offset is the log-density of the highest peak.
    distance = tf.maximum(2 * (tf.cast(components.offset, log_prob.dtype) - log_prob), 0) + 2
    relative = rounding.constant + rounding.per_distance * distance
    moved = 2 * (1 - largest) * relative * tf.sqrt(distance) + rounding.displacement
    steepest = tf.sqrt(tf.reduce_max(tf.exp(-components.logvar)))
    return tf.norm(_upstream_size(upstream) * moved * steepest)


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
