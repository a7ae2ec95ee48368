"""For which kind of device the kernels are traced, whatever devices this machine has."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

PLATFORMS = ("cpu", "gpu")


@contextlib.contextmanager
def traced_for(platform: str) -> Iterator[None]:
    """Traces the kernels as where TensorFlow sees a GPU, or sees none.

    Args:
        platform: one of `PLATFORMS`.
    """
    real = tf.config.list_logical_devices

    def devices(kind=None):
        return ["GPU:0"] if kind == "GPU" and platform == "gpu" else real(kind)

    tf.config.list_logical_devices = devices
    try:
        yield
    finally:
        tf.config.list_logical_devices = real
