"""The choice of the type in which the expanded square is computed.

The expansion's terms reach the size z^2 / variance, and their rounding errors stay when they cancel. In
float32 that is harmless while the terms are small (the benign case, the faster one); beyond, the products
are computed in float64. The choice is a conditional inside the compiled program: Python reads nothing on the
host. XLA's GPU runtime does read a conditional's predicate there, though, and float32 products may run in
TF32: where a GPU is present there is no conditional, and what this file guards computes in float64. It does
not guard the forward program of few dimensions (`direct`).
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tf_sintrovae.kernels.expanded import Components, ComponentsGradient

# Largest squared distance from the centre, in standard deviations, that float32 products may meet. At this
# size one rounding is 6e-8 * 1024 = 6e-5 of a nat.
FLOAT32_LIMIT = 1024.0

FLOAT32_ROUNDING = 2.0**-24
# Error that a gradient may have by its estimate, relative to its norm: half of the promised 1e-4.
GRADIENT_TOLERANCE = 5e-5
# Squared distance, in standard deviations, of most samples from the components that matter to them.
CONSIDERABLE_DISTANCE = 24.0

# Relative error that a responsibility may have: a scalar, and one for each unit of squared distance.
Rounding = tuple[tf.Tensor | float, tf.Tensor | float]


def at_safe_precision(
    function: Callable,
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
):
    """Calls `function(z, components)` with centred arguments in a type that is wide enough.

    Args:
        function: of z [N, L] and `Components`; what it returns must not depend on their type.
        z: [N, L] samples, float32 or float64.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.

    Returns:
        What `function` returns.
    """

    if not is_conditional(z):
        return function(*centred(tf.float64, z, loc, logvar, logits))
    return tf.cond(
        expansion_size(z, loc, logvar) <= FLOAT32_LIMIT,  # False for NaN
        lambda: function(*centred(tf.float32, z, loc, logvar, logits)),
        lambda: function(*centred(tf.float64, z, loc, logvar, logits)),
    )


def responsibility_rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """Relative error that a float32 responsibility of the expanded form may have: an estimate, a scalar.

    A few roundings of the exponential and the sum; and where the joint densities were made in float32,
    theirs, for which a quarter of the terms' bound is what is seen.
    """
    size = expansion_size(z, loc, logvar)
    of_joint = tf.where(size <= FLOAT32_LIMIT, 0.25 * size, 0.0)
    return FLOAT32_ROUNDING * (4.0 + of_joint)


def components_are_accurate(
    gradient: ComponentsGradient, of_logits: tf.Tensor, rounding: Rounding
) -> tf.Tensor:
    """Whether gradients at the components are accurate to the tolerance, by an estimate: a boolean.

    Near an optimum of the density they are small sums of large terms: each argument's norm must be large
    enough beside what rounding makes of its terms.

    Args:
        gradient: at the components, in float32.
        of_logits: [K], made of `gradient.log_weight`.
        rounding: relative error of a responsibility.
    """
    constant, of_distance = rounding
    of_terms = constant + of_distance * CONSIDERABLE_DISTANCE

    def holds(value, size, moments):
        error = of_terms * tf.norm(size) + FLOAT32_ROUNDING * tf.norm(moments)
        return error <= GRADIENT_TOLERANCE * tf.norm(value)

    # One component's weight is 1 whatever its logit, and that gradient is zero.
    of_weights = holds(of_logits, gradient.log_weight, gradient.log_weight)
    return (
        holds(gradient.loc, gradient.loc_size, gradient.loc_moments)
        & holds(gradient.logvar, gradient.logvar_size, gradient.logvar_moments)
        & (of_weights | (tf.size(of_logits) == 1))
    )


def samples_are_accurate(
    gradient: tf.Tensor,
    upstream: tf.Tensor,
    log_prob: tf.Tensor,
    largest: tf.Tensor,
    components: Components,
    rounding: Rounding,
) -> tf.Tensor:
    """Whether the gradient at the samples is accurate to the tolerance, by an estimate: a boolean.

    A sample is pulled to several components, and the pulls may cancel. Rounding moves a responsibility by
    itself times the others' sum; a component pulls at most as its distance, which the density bounds.

    Args:
        gradient: [N, L] float32.
        upstream: [N] size of the gradient at the log-density.
        log_prob: [N].
        largest: [N] each sample's largest responsibility.
        components: all K of them.
        rounding: relative error of a responsibility.
    """
    _, logvar, log_weight = components
    log_two_pi = tf.constant(math.log(2 * math.pi), logvar.dtype)
    peak = tf.reduce_max(log_weight - 0.5 * tf.reduce_sum(logvar + log_two_pi, axis=1))
    distance = (
        tf.maximum(2 * (peak - log_prob), 0) + 2
    )  # [N] squared, of the components that matter
    pull = tf.sqrt(tf.reduce_max(tf.exp(-logvar)) * distance)
    constant, of_distance = rounding
    moved = 2 * (1 - largest) * (constant + of_distance * distance)
    return tf.norm(upstream * moved * pull) <= GRADIENT_TOLERANCE * tf.norm(gradient)


def is_conditional(z: tf.Tensor) -> bool:
    """Whether the type is chosen by what the numbers are; else it is float64."""
    return z.dtype == tf.float32 and not tf.config.list_logical_devices("GPU")


def expansion_size(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """Bound of the terms that the expanded square adds up: squared standard deviations, a scalar."""
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    precision = tf.exp(-logvar)  # [K, L]
    of_samples = tf.linalg.matvec((z - centre) ** 2, tf.reduce_max(precision, axis=0))  # [N]
    of_components = tf.reduce_sum((loc - centre) ** 2 * precision, axis=1)  # [K]
    return tf.reduce_max(of_samples) + tf.reduce_max(of_components)


def centred(dtype, *tensors) -> tuple[tf.Tensor, Components]:
    """Casts, and moves the origin to the mean of the components: distances stay, squares shrink."""
    z, loc, logvar, logits = (tf.cast(t, dtype) for t in tensors)
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    return z - centre, Components(loc - centre, logvar, tf.nn.log_softmax(logits))
