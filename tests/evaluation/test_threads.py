"""Work in threads: order, errors, an early end."""

import threading

import pytest

from tf_sintrovae.evaluation import threads


def test_results_come_in_the_order_of_the_items():
    assert list(threads.map_in_threads(lambda i: i * i, range(100))) == [i * i for i in range(100)]


def test_as_many_calls_run_at_once_as_there_are_cores(monkeypatch):
    """Each call waits for the other: one thread alone would wait for ever."""
    monkeypatch.setattr(threads, "num_threads", lambda: 2)
    both = threading.Barrier(2, timeout=20)
    assert sorted(threads.map_in_threads(lambda i: both.wait(), range(2))) == [0, 1]


def test_an_error_is_raised_and_the_rest_is_not_begun(monkeypatch):
    monkeypatch.setattr(threads, "num_threads", lambda: 1)
    begun = []

    def fail(i):
        begun.append(i)
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item 0"):
        list(threads.map_in_threads(fail, range(1000)))
    assert len(begun) < 1000


def test_a_caller_that_stops_early_does_not_wait_for_the_rest(monkeypatch):
    monkeypatch.setattr(threads, "num_threads", lambda: 1)
    begun, proceed = [], threading.Event()

    def work(i):
        begun.append(i)
        if i:
            proceed.wait(20)
        return i

    results = threads.map_in_threads(work, range(50))
    assert next(results) == 0
    threading.Timer(0.2, proceed.set).start()
    results.close()
    assert len(begun) <= 3
