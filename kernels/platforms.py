"""For which platform the kernels' programs are made: decided once for each call, in Python.

A program for one platform computes the same on the other, only slower: those of GPUs are compiled and tested
on CPUs.
"""

import contextlib
from collections.abc import Iterator
from typing import Literal

import tensorflow as tf

# Of a program: "any" is what runs without XLA, and so wherever its graph is taken.
Platform = Literal["cpu", "gpu", "any"]
_COMPILED = ("cpu", "gpu")

_chosen: list[Platform] = []


def default_platform() -> Platform:
    """The platform of calls that name none: that of `use_platform`, else "gpu" where TensorFlow sees one."""
    if _chosen:
        return _chosen[-1]
    return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"


@contextlib.contextmanager
def use_platform(platform: Platform) -> Iterator[None]:
    """Traces the calls inside, whole training steps for instance, for `platform`, in every thread.

    Args:
        platform: "cpu" or "gpu".

    Raises:
        ValueError: another name.
    """
    _chosen.append(_check(platform))
    try:
        yield
    finally:
        _chosen.pop()


def resolve(platform: Platform | None, jit_compile: bool) -> Platform:
    """The platform of a call.

    Args:
        platform: "cpu", "gpu", or None for the default.
        jit_compile: whether XLA compiles the call; what is not compiled runs anywhere.

    Raises:
        ValueError: another name.
    """
    named = default_platform() if platform is None else _check(platform)
    return named if jit_compile else "any"


def _check(platform: Platform) -> Platform:
    if platform not in _COMPILED:
        raise ValueError(f"expected platform 'cpu' or 'gpu', got {platform!r}")
    return platform
