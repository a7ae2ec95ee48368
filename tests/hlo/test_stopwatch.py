"""Timing waits for the device, and lack of its memory is a note."""

import pytest

from benchmarks.hlo import stopwatch


def test_each_timed_call_is_waited_for_and_those_in_a_row_once():
    started, waited = [], []

    def call():
        started.append(len(started))
        return started[-1]

    times = stopwatch.time_calls(call, waited.append, most_calls=5)
    assert set(times) == {"median ms", "in a row ms"}
    assert all(value >= 0 for value in times.values())
    alone = len(started) - 5
    assert waited == [*range(alone), len(started) - 1]
    assert alone == 3 + 5  # two to warm up, one to choose how many


def test_slow_calls_are_made_three_times():
    started = []
    stopwatch.time_calls(lambda: started.append(1), lambda _: None, most_calls=50, seconds=0.0)
    assert len(started) == 3 + 3 + 3


@pytest.mark.parametrize("text", ["RESOURCE_EXHAUSTED: no room", "CUDA out of memory. Tried"])
def test_lack_of_memory_is_noted(text):
    def fail():
        raise RuntimeError(text)

    assert stopwatch.unless_out_of_memory(fail) == {"note": "out of memory"}


def test_other_errors_pass():
    def fail():
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        stopwatch.unless_out_of_memory(fail)
    assert stopwatch.unless_out_of_memory(lambda: {"ms": 1}) == {"ms": 1}
