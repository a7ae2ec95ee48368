"""Feature networks are float32, whatever Keras is set to for the model that they judge."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Layers made inside, or while a function decorated by `full_precision()` runs, are float32.

    A global policy of `mixed_bfloat16` or a `floatx` of float16 would otherwise decide their features; both
    are as before afterwards.
    """
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    try:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
