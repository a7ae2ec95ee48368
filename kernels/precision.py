"""The choice of the type in which the expanded square is computed.

The expansion's terms reach the size z^2 / variance, and their rounding errors stay when they cancel. In
float32 that is harmless while the terms are small (the benign case, the faster one); beyond, the products are
computed in float64. The choice is a conditional inside the compiled program, so nothing is read on the host by
Python. XLA's GPU runtime reads a conditional's predicate on the host, though, and float32 products may run in
TF32 there: where a GPU is present every call computes in float64 and there is no conditional.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_sintrovae.kernels.expanded import Components

# Largest squared distance from the centre, in standard deviations, that float32 products may meet. At this
# size one rounding is 6e-8 * 1024 = 6e-5 of a nat, which leaves the gradients 1e-4 accurate.
FLOAT32_LIMIT = 1024.0


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

    def call(dtype):
        return function(*_centred(*(tf.cast(t, dtype) for t in (z, loc, logvar, logits))))

    if z.dtype == tf.float64 or tf.config.list_logical_devices("GPU"):
        return call(tf.float64)
    benign = expansion_size(z, loc, logvar) <= FLOAT32_LIMIT  # False for NaN
    return tf.cond(benign, lambda: call(tf.float32), lambda: call(tf.float64))


def expansion_size(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
    """Bound of the terms that the expanded square adds up: squared standard deviations, a scalar."""
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    precision = tf.exp(-logvar)  # [K, L]
    of_samples = tf.linalg.matvec((z - centre) ** 2, tf.reduce_max(precision, axis=0))  # [N]
    of_components = tf.reduce_sum((loc - centre) ** 2 * precision, axis=1)  # [K]
    return tf.reduce_max(of_samples) + tf.reduce_max(of_components)


def _centred(z, loc, logvar, logits) -> tuple[tf.Tensor, Components]:
    """Moves the origin to the mean of the components: distances stay, squares shrink."""
    centre = tf.reduce_mean(loc, axis=0)  # [L]
    return z - centre, Components(loc - centre, logvar, tf.nn.log_softmax(logits))
