"""The choice of the type in which the expanded square is computed.

The expansion's terms reach the size z^2 / variance, and their rounding errors stay when they cancel. In
float32 that is harmless while the terms are small (the benign case, the faster one); beyond, the products
are computed in float64. The choice is a conditional inside the compiled program: Python reads nothing on the
host. XLA's GPU runtime does read a conditional's predicate there, though, and float32 products may run in
TF32: where a GPU is present every call computes in float64 and there is no conditional.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_sintrovae.kernels.expanded import Components, ComponentsGradient

# Largest squared distance from the centre, in standard deviations, that float32 products may meet. At this
# size one rounding is 6e-8 * 1024 = 6e-5 of a nat, which leaves the gradients 1e-4 accurate.
FLOAT32_LIMIT = 1024.0

# Rounding that a float32 gradient may carry, relative to its norm: a quarter of the promised 1e-4.
GRADIENT_TOLERANCE = 2.5e-5
FLOAT32_ROUNDING = 2.0**-24


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

    if not _is_conditional(z):
        return function(*_centred(tf.float64, z, loc, logvar, logits))
    return tf.cond(
        expansion_size(z, loc, logvar) <= FLOAT32_LIMIT,  # False for NaN
        lambda: function(*_centred(tf.float32, z, loc, logvar, logits)),
        lambda: function(*_centred(tf.float64, z, loc, logvar, logits)),
    )


def with_checked_rounding(
    function: Callable,
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
) -> ComponentsGradient:
    """As `at_safe_precision`, for gradients at the components, which it checks afterwards.

    Near an optimum of the density these gradients are small sums of large terms, however benign the single
    distance: the float32 result stands only where its terms are small enough beside it.

    Args:
        function: of z [N, L] and `Components`, gives a `ComponentsGradient` in the type of z.
        z: [N, L] samples, float32 or float64.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.
    """

    def wide():
        gradient = function(*_centred(tf.float64, z, loc, logvar, logits))
        return ComponentsGradient(*(tf.cast(t, z.dtype) for t in gradient))

    if not _is_conditional(z):
        return wide()
    nothing = ComponentsGradient(*map(tf.zeros_like, (loc, loc, logits, loc, loc)))
    benign = expansion_size(z, loc, logvar) <= FLOAT32_LIMIT
    attempt = tf.cond(
        benign,
        lambda: function(*_centred(tf.float32, z, loc, logvar, logits)),
        lambda: nothing,
    )
    return tf.cond(benign & _is_accurate(attempt), lambda: attempt, wide)


def _is_accurate(gradient: ComponentsGradient) -> tf.Tensor:
    def holds(value, terms):
        return FLOAT32_ROUNDING * tf.norm(terms) <= GRADIENT_TOLERANCE * tf.norm(value)

    return holds(gradient.loc, gradient.loc_terms) & holds(gradient.logvar, gradient.logvar_terms)


def _is_conditional(z: tf.Tensor) -> bool:
    return z.dtype == tf.float32 and not tf.config.list_logical_devices("GPU")


def expansion_size(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """Bound of the terms that the expanded square adds up: squared standard deviations, a scalar."""
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    precision = tf.exp(-logvar)  # [K, L]
    of_samples = tf.linalg.matvec((z - centre) ** 2, tf.reduce_max(precision, axis=0))  # [N]
    of_components = tf.reduce_sum((loc - centre) ** 2 * precision, axis=1)  # [K]
    return tf.reduce_max(of_samples) + tf.reduce_max(of_components)


def _centred(dtype, *tensors) -> tuple[tf.Tensor, Components]:
    """Casts, and moves the origin to the mean of the components: distances stay, squares shrink."""
    z, loc, logvar, logits = (tf.cast(t, dtype) for t in tensors)
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    return z - centre, Components(loc - centre, logvar, tf.nn.log_softmax(logits))
