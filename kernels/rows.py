"""Rows of an array [K, L] whose gradient is no scatter: a GPU's scatter sums in the order of its atomics."""

import tensorflow as tf

from tf_sintrovae.kernels import paired, pairs
from tf_sintrovae.kernels.blocks import cut


@tf.custom_gradient
def gather_rows(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """The rows [N, L] of float32 values [K, L] that the numbers [N] int32 name; repeatedly differentiable."""
    return tf.gather(values, rows), lambda upstream: (sum_rows(upstream, rows, values), None)


@tf.custom_gradient
def sum_rows(values: tf.Tensor, rows: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Sums [K, L] of the float32 values [N, L] that belong to each row: what a scatter would add up.

    Args:
        values: [N, L] values.
        rows: [N] int32, the row that each belongs to.
        like: [K, L] array of the result's shape.
    """

    def gradient(upstream):
        return gather_rows(upstream, rows), None, tf.zeros_like(like)

    # Tapes do not look inside: the program has no gradient of its own.
    return _sum_rows(tf.stop_gradient(values), rows, tf.stop_gradient(like)), gradient


@tf.function(jit_compile=True, autograph=False)
def _sum_rows(values: tf.Tensor, rows: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """One reduction of an array [N, K, L] that is never stored, on pairs: the same bits in any order."""
    numbers = cut(rows, paired.SUM_BLOCK, fill=0)[..., tf.newaxis]  # [b, SUM_BLOCK, 1]
    belongs = numbers == tf.range(tf.shape(like)[0])  # [b, SUM_BLOCK, K]
    blocks = cut(values, paired.SUM_BLOCK)[:, :, tf.newaxis]  # [b, SUM_BLOCK, 1, L]
    terms = tf.where(belongs[..., tf.newaxis], blocks, 0.0)  # [b, SUM_BLOCK, K, L]
    sums = pairs.reduce_sum([pairs.pair(terms)], axis=1)
    return pairs.reduce_sum(sums, axis=0)[0].value
