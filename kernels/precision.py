"""The choice of the type in which the expanded square is computed.

The expansion's terms reach the size z^2 / variance, and their rounding errors stay when they cancel. In
float32 that is harmless while the terms are small (the benign case, the faster one); beyond, the products
are computed in float64. The choice is a conditional inside the program compiled for CPUs: Python reads
nothing on the host. What is not compiled may run on a GPU, which would wait for the host there and round
products to TF32: it has no conditional, and computes in float64.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_sintrovae.kernels.components import Components, make_components
from tf_sintrovae.kernels.platforms import Platform

# Largest squared distance from the centre, in standard deviations, that float32 products may meet. At this
# size one rounding is 6e-8 * 1024 = 6e-5 of a nat.
FLOAT32_LIMIT = 1024.0


def run_at_safe_precision(
    function: Callable,
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    platform: Platform,
) -> Any:
    """Calls `function(z, components)` with centred arguments in a type that is wide enough.

    Args:
        function: function of z [N, L] and `Components`; what it returns must not depend on their type.
        z: [N, L] samples, float32 or float64.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.
        platform: platform of the program.

    Returns:
        What `function` returns.
    """
    if not is_conditional(z, platform):
        return function(*centre(tf.float64, z, loc, logvar, logits))
    return tf.cond(
        expansion_size(z, loc, logvar) <= FLOAT32_LIMIT,  # False for NaN
        lambda: function(*centre(tf.float32, z, loc, logvar, logits)),
        lambda: function(*centre(tf.float64, z, loc, logvar, logits)),
    )


def is_conditional(z: tf.Tensor, platform: Platform) -> bool:
    """Whether the type is chosen by what the numbers are; else it is float64."""
    return z.dtype == tf.float32 and platform == "cpu"


def expansion_size(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """Bound of the terms that the expanded square adds up: squared standard deviations, a scalar."""
    origin = tf.reduce_mean(loc, axis=0)  # [L]
    precision = tf.exp(-logvar)  # [K, L]
    sizes_z = tf.linalg.matvec((z - origin) ** 2, tf.reduce_max(precision, axis=0))  # [N]
    sizes_loc = tf.reduce_sum((loc - origin) ** 2 * precision, axis=1)  # [K]
    return tf.reduce_max(sizes_z) + tf.reduce_max(sizes_loc)


def centre(dtype: tf.DType, *tensors: tf.Tensor) -> tuple[tf.Tensor, Components]:
    """Casts, and moves the origin to the mean of the components: distances stay, squares shrink."""
    z, loc, logvar, logits = (tf.cast(t, dtype) for t in tensors)
    origin = tf.reduce_mean(loc, axis=0)  # [L]
    return z - origin, make_components(loc - origin, logvar, logits)
