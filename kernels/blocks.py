"""Arrays cut into equal blocks along their first dimension."""

import tensorflow as tf


def cut(x: tf.Tensor, largest: int | tf.Tensor, fill: float = 0) -> tf.Tensor:
    """Cuts [n, ...] into equal blocks [count, size, ...] of at most `largest` rows, padded with `fill`."""
    length = tf.shape(x)[0]
    count = tf.maximum(-(-length // largest), 1)
    size = -(-length // count)
    padding = [[0, count * size - length]] + [[0, 0]] * (x.shape.rank - 1)
    padded = tf.pad(x, padding, constant_values=tf.constant(fill, x.dtype))
    return tf.reshape(padded, tf.concat([[count, size], tf.shape(x)[1:]], axis=0))


def join(blocks: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Undoes `cut`: [count, size, ...] to as many rows as `like` has."""
    flat = tf.reshape(blocks, tf.concat([[-1], tf.shape(blocks)[2:]], axis=0))
    return flat[: tf.shape(like)[0]]
