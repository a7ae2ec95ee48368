"""Damage to the command itself, each case from a clean start: killed, interrupted, without space.

    make test-slow PYTEST_ARGS="tests/test_damage.py -s"

prints a line a case; docs/reliability.md counts them.
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.support import disks
from tests.support.moments import (
    ARGUMENTS,
    EVALUATION,
    EXPORT,
    HAND_OVER,
    TRAINING,
    WRITING,
    Moment,
)
from tests.support.runs import ROOT, assert_same_state, final_state, main_arguments

pytestmark = pytest.mark.slow

SECONDS = 300


KILLS = [TRAINING] * 8 + [HAND_OVER] * 3 + [WRITING] * 3 + [EXPORT] * 3 + [EVALUATION] * 3


@contextlib.contextmanager
def start(folder: pathlib.Path, *more: str):
    """The command, writing into a file beside its folder."""
    with open(folder.with_suffix(".txt"), "w") as output:
        process = subprocess.Popen(
            main_arguments(*ARGUMENTS, f"--workdir={folder}", *more),
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def read_output(folder: pathlib.Path) -> str:
    return folder.with_suffix(".txt").read_text()


def wait_until(moment: Moment, folder: pathlib.Path, process, delay: float) -> None:
    deadline = time.monotonic() + SECONDS
    while not moment.reached(folder, read_output(folder)):
        assert process.poll() is None, read_output(folder)
        assert time.monotonic() < deadline, moment.name
        time.sleep(0.0005)
    time.sleep(delay)


def finish(folder: pathlib.Path) -> str:
    """Runs the command to its end; returns what it printed."""
    with start(folder) as process:
        assert process.wait(SECONDS) == 0, read_output(folder)
    return read_output(folder)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a run that was never disturbed."""
    folder = tmp_path_factory.mktemp("damage") / "straight"
    finish(folder)
    return folder


def assert_same_run(folder: pathlib.Path, straight: pathlib.Path) -> None:
    """Checkpoint, history, metrics and export are those of the undisturbed run."""
    assert_same_state(folder, final_state(straight))
    results = [json.loads((path / "results.json").read_text()) for path in (folder, straight)]
    assert results[0]["metrics"] == results[1]["metrics"]
    priors = [
        tf.saved_model.load(str(path / "saved_model")).signatures["prior"]()
        for path in (folder, straight)
    ]
    for name, value in priors[1].items():
        np.testing.assert_array_equal(priors[0][name], value)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".saved_model")]


@pytest.mark.parametrize("case", range(len(KILLS)))
def test_killed_the_run_ends_bit_identical(case, straight, tmp_path):
    moment, folder = KILLS[case], tmp_path / "run"
    delay = random.Random(case).uniform(0.0, moment.delay)
    with start(folder) as process:
        wait_until(moment, folder, process, delay)
        ended = process.poll() is not None
        process.kill()
    finish(folder)
    assert_same_run(folder, straight)
    state = "after its end" if ended else "before its end"
    print(f"\nkill -9, {moment.name} + {delay:.3f} s ({state}): bit-identical")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [TRAINING, EXPORT, EVALUATION], ids=lambda m: m.name)
def test_asked_to_stop_it_stops_and_continues(moment, number, straight, tmp_path):
    folder = tmp_path / "run"
    with start(folder) as process:
        wait_until(moment, folder, process, 0.2)
        process.send_signal(number)
        code = process.wait(SECONDS)
    text = read_output(folder)
    assert code == 130, text
    assert "Traceback" not in text
    finish(folder)
    assert_same_run(folder, straight)
    print(f"\n{number.name}, {moment.name}: exit code {code}, then bit-identical")


@pytest.fixture
def disk(tmp_path):
    """A file system of its own with 16 MiB."""
    yield from disks.mounted(tmp_path / "disk", 16)


@pytest.mark.parametrize("moment", [TRAINING, EXPORT, EVALUATION], ids=lambda m: m.name)
def test_a_full_disk_is_one_line_and_loses_nothing(moment, straight, disk, tmp_path):
    folder = disk / "run"
    # What it prints goes elsewhere: only the run meets the full disk.
    (tmp_path / "run.txt").touch()
    (disk / "run.txt").symlink_to(tmp_path / "run.txt")
    with start(folder) as process:
        wait_until(moment, folder, process, 0.0)
        disks.fill(disk)
        code = process.wait(SECONDS)
    text = read_output(folder)
    assert code in (2, 3), text
    assert "no space left" in text.lower(), text
    assert "Traceback" not in text, text
    disks.empty(disk)
    finish(folder)
    assert_same_run(folder, straight)
    print(f"\nfull disk, {moment.name}: exit code {code}, then bit-identical")
