"""Resizing of images."""

import numpy as np
import tensorflow as tf

_CHUNK = 1024


def resize(x: np.ndarray, size: int | None) -> np.ndarray:
    """Resizes images to a square, antialiased (bilinear), after cropping the central square.

    Args:
        x: [N, H, W, C] images, uint8 (0-255) or float32 in [0, 1].
        size: new height and width; None for no change.

    Returns:
        Images [N, size, size, C] of the same dtype; uint8 is rounded.
    """
    if size is None or x.shape[1:3] == (size, size):
        return x
    out = np.empty((len(x), size, size, x.shape[-1]), x.dtype)
    with tf.device("CPU:0"):
        for start in range(0, len(x), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = resize_batch(x[rows], size).numpy()
    return out


def resize_batch(x: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes one batch or image as `resize` does, also inside a `tf.data` pipeline.

    Args:
        x: [..., H, W, C] images, uint8, or float32 in [0, 1].
        size: new height and width.

    Returns:
        Images [..., size, size, C] of the same dtype.
    """
    x = tf.convert_to_tensor(x)
    height, width = tf.unstack(tf.shape(x)[-3:-1])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = x[..., top : top + side, left : left + side, :]
    resized = tf.image.resize(square, [size, size], antialias=True)
    if x.dtype.is_floating:
        return tf.clip_by_value(resized, 0.0, 1.0)  # rounding errors lead out of the range
    return tf.saturate_cast(tf.round(resized), x.dtype)
