"""For which kind of device the kernels are traced, whatever devices this machine has."""

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator

import tensorflow as tf

_KERNELS = "tf_sintrovae.kernels.platforms"


@contextlib.contextmanager
def traced_for(platform: str) -> Iterator[None]:
    """Traces the kernels as where TensorFlow sees a GPU, or sees none.

    Args:
        platform: 'cpu' or 'gpu'.
    """
    if importlib.util.find_spec(_KERNELS):
        with importlib.import_module(_KERNELS).use_platform(platform):
            yield
        return
    real = tf.config.list_logical_devices

    def devices(kind=None):
        return ["GPU:0"] if kind == "GPU" and platform == "gpu" else real(kind)

    tf.config.list_logical_devices = devices
    try:
        yield
    finally:
        tf.config.list_logical_devices = real
