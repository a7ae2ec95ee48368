"""Times calls that start work on a device and return before it is done."""

import statistics
import time
from collections.abc import Callable
from typing import Any

_WARM_UP = 2


def time_calls(
    call: Callable[[], Any],
    wait: Callable[[Any], Any],
    most_calls: int = 50,
    seconds: float = 5.0,
) -> dict[str, float]:
    """Milliseconds of a call, when each is waited for and when they follow each other.

    Args:
        call: function that starts the work and returns what it gives.
        wait: function of what `call` returned that returns when that is there.
        most_calls: number of timed calls, if they fit into the time.
        seconds: time for the calls of each kind; three are made in any case.
    """
    for _ in range(_WARM_UP):
        wait(call())
    least = _seconds(lambda: wait(call()))
    calls = min(most_calls, max(3, int(seconds / max(least, 1e-9))))
    alone = [_seconds(lambda: wait(call())) for _ in range(calls)]

    def in_a_row():
        for _ in range(calls):
            last = call()
        wait(last)

    total = _seconds(in_a_row)
    return {"median ms": 1e3 * statistics.median(alone), "in a row ms": 1e3 * total / calls}


def unless_out_of_memory(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a function gives, or only a note where the device's memory does not hold it."""
    try:
        return function()
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", "out of memory")):
            raise
        return {"note": "out of memory"}


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
