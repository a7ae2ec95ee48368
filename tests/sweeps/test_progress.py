"""What a sweep says while it runs."""

import pytest

from tf_sintrovae.sweeps import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the test moves."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_time_left_is_the_mean_of_the_finished_over_the_slots(capsys, clock):
    said = progress.Progress(total=8, done=1, num_slots=2)
    said.finish("one", 60.0)
    said.fail("two", "exit code 2: error: no")
    said.finish("three", 180.0)
    assert capsys.readouterr().out.splitlines() == [
        "[2/8] one: finished in 0:01:00; about 0:03:00 left",  # 60 s * 6 / 2
        "[2/8, 1 failed] two: FAILED: exit code 2: error: no",
        "[3/8, 1 failed] three: finished in 0:03:00; about 0:04:00 left",  # 120 s * 4 / 2
    ]


def test_throughput_counts_what_this_process_has_finished(clock):
    said = progress.Progress(total=8, done=5, num_slots=2)
    assert said.throughput() == "0 runs in 0:00:00 with jobs=2"
    said.finish("one", 60.0)
    clock.now += 900
    assert said.throughput() == "1 runs in 0:15:00 with jobs=2, 4 runs/h"


def test_running_jobs_are_told_of_once_a_minute(capsys, clock):
    said = progress.Progress(total=2, done=0, num_slots=1)
    for _ in range(130):
        clock.now += 1
        said.live({"one": f"at {clock.now:.0f}"})
    assert capsys.readouterr().out == "[0/2] one: at 160\n[0/2] one: at 220\n"


def test_waiting_for_others_is_said_once(capsys, clock):
    said = progress.Progress(total=2, done=1, num_slots=1)
    said.wait(1)
    said.wait(1)
    said.skip("one", "finished by another process")
    assert capsys.readouterr().out == (
        "[1/2] 1 runs are left, all of other processes: waiting for them to end\n"
        "[2/2] one: finished by another process\n"
    )
