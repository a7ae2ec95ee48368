"""Work that NumPy and scikit-learn do outside Python's lock, spread over threads."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def num_threads() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Applies a function to items in as many threads as there are cores.

    Args:
        function: function that may be called from several threads at once.
        items: its arguments.

    Yields:
        What it returns, in the order of the items. Where the caller stops early, only the calls that were
        begun are waited for.
    """
    pool = ThreadPoolExecutor(num_threads())
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
