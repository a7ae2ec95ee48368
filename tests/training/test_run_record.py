"""`run.json`: time over all starts, the machine, and how the command ended."""

import itertools
import os

import pytest

from tf_sintrovae.training import run_record


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass: 10 between two looks."""
    ticks = itertools.count(1_769_860_800, 10)  # noon of 2026-01-31
    monkeypatch.setattr(run_record.time, "time", lambda: float(next(ticks)))


def test_time_adds_up_over_the_starts(tmp_path, clock):
    run_record.begin(tmp_path, [])
    run_record.update(tmp_path, step=3)
    first = run_record.read(tmp_path)
    assert (first["starts"], first["seconds"], first["step"]) == (1, 10.0, 3)
    assert first["started"] == "2026-01-31T12:00:00+00:00"
    run_record.begin(tmp_path, [])
    run_record.update(tmp_path)
    run_record.update(tmp_path)
    second = run_record.read(tmp_path)
    assert (second["starts"], second["seconds"], second["step"]) == (2, 30.0, 3)
    assert second["started"] == first["started"]
    assert second["updated"] == "2026-01-31T12:00:40+00:00"


def test_the_machine_is_named(tmp_path):
    run_record.begin(tmp_path, ["a GPU"])
    machine = run_record.read(tmp_path)["machine"]
    assert machine["devices"] == ["a GPU"]
    assert machine["cores"] == len(os.sched_getaffinity(0))
    assert machine["processor"] and machine["memory_gib"] > 0
    assert run_record.read(tmp_path)["versions"]["tf-sintrovae"]


def test_without_a_beginning_nothing_is_noted(tmp_path):
    run_record.update(tmp_path, step=3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seconds": "x", "starts": [], "started": 3}'])
def test_a_damaged_record_is_begun_anew(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    run_record.begin(tmp_path, [])
    run_record.update(tmp_path)
    record = run_record.read(tmp_path)
    assert record["starts"] == 1 and 0 <= record["seconds"] < 60


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, "finished"),
        (SystemExit(0), "finished"),
        (SystemExit(3), "incomplete"),
        (SystemExit(130), "stopped"),
        (SystemExit("error"), "failed"),
        (KeyboardInterrupt(), "stopped"),
        (ValueError("why\nit was"), "failed"),
    ],
    ids=repr,
)
def test_the_end_is_noted_and_what_was_raised_passes(tmp_path, end, state):
    try:
        with run_record.recorded(tmp_path, []):
            assert run_record.read(tmp_path)["state"] == "running"
            if end is not None:
                raise end
    except BaseException as error:
        assert error is end
    record = run_record.read(tmp_path)
    assert record["state"] == state
    assert record["reason"] == ("why it was" if isinstance(end, ValueError) else "")


def test_a_record_that_cannot_be_written_costs_nothing(tmp_path):
    done = []
    with run_record.recorded(tmp_path / "nowhere", []):
        done.append(True)
    assert done
