"""How a run stands, by what it noted and by what it left."""

import fcntl

import pytest

from tests.support.made_runs import SETTINGS, append, make_run
from tf_sintrovae.reporting.run_files import read_run

DIVERGED = {"event": "diverged", "step": 34, "terms": ["kl", "loss"]}
ROLLBACK = {"event": "rollback", "step": 34, "to": 22, "rate_factor": 0.5}


def state(folder):
    return read_run(folder).state


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ("finished", "finished"),
        ("incomplete", "incomplete"),
        ("stopped", "stopped"),
        ("failed", "failed"),
        ("running", "stopped"),  # and its process is gone
    ],
)
def test_what_a_run_noted_holds(tmp_path, noted, expected):
    run = make_run(tmp_path / "run", run={"state": noted, "reason": "why & how"})
    assert state(run).name == expected
    assert ("why & how" in state(run).sentence) == (noted != "running")


def test_a_run_whose_folder_is_locked_goes_on(tmp_path):
    run = make_run(tmp_path / "run", epochs=2, run={"state": "running"})
    with open(run / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert state(run).name == "running"
    assert state(run).name == "stopped"


def test_looking_does_not_take_the_lock(tmp_path):
    run = make_run(tmp_path / "run", run={"state": "running"})
    with open(run / ".lock", "w") as file:
        state(run)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it is held


@pytest.mark.parametrize("files", [{}, {"run": {"state": "failed", "reason": "diverged"}}])
def test_a_run_that_diverged_names_the_step_and_the_terms(tmp_path, files):
    run = make_run(tmp_path / "run", epochs=3, **files)
    append(run / "history.jsonl", DIVERGED)
    assert state(run).name == "diverged"
    assert "step 34: kl, loss not finite" in state(run).sentence
    assert "last complete epoch is 3" in state(run).sentence


def test_a_run_that_went_back_and_on_has_not_diverged(tmp_path):
    run = make_run(tmp_path / "run", epochs=2)
    append(run / "history.jsonl", DIVERGED, ROLLBACK)
    assert state(run).name == "stopped"


@pytest.mark.parametrize(
    ("epochs", "results", "expected"),
    [
        (2, {}, "stopped"),
        (SETTINGS.epochs, {}, "finished"),
        (2, {"metrics": {}}, "finished"),  # ended early by --early_stop_epochs
        (2, {"metrics": {}, "partial": True}, "stopped"),
    ],
)
def test_runs_that_noted_nothing_are_known_by_their_files(tmp_path, epochs, results, expected):
    files = {"results": results} if results else {}
    assert state(make_run(tmp_path / "run", epochs=epochs, **files)).name == expected
