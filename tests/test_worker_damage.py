"""Damage to one of two workers, each case from a clean start: killed, stopped, vanished.

    make test-slow PYTEST_ARGS="tests/test_worker_damage.py -s"

prints a line a case; docs/reliability.md counts them.
"""

import contextlib
import pathlib
import random
import signal
import time

import pytest

from tests.support.moments import (
    ARGUMENTS,
    EVALUATION,
    EXPORT,
    HAND_OVER,
    TRAINING,
    WRITING,
    Moment,
)
from tests.support.runs import assert_same_state, final_state, main_arguments
from tests.support.workers import free_ports, start_worker

pytestmark = pytest.mark.slow

SECONDS = 400
# Longest time from the loss of a worker to the end of the other.
LOSS_SECONDS = 60
CHIEF, OTHER = 0, 1
# Where what follows the training is of no interest.
TRAINING_ALONE = ("--noevaluate", "--noexport")
KILLS = [
    *[(TRAINING, CHIEF)] * 2,
    *[(TRAINING, OTHER)] * 4,
    *[(HAND_OVER, CHIEF), (HAND_OVER, OTHER)],
    *[(WRITING, CHIEF), (WRITING, OTHER)],
    *[(EXPORT, CHIEF), (EVALUATION, CHIEF)],
]


class Pair:
    """Two workers of one run, writing into files beside its folder."""

    def __init__(self, folder: pathlib.Path, *more: str):
        self.folder = folder
        ports = free_ports(2)
        arguments = main_arguments(*ARGUMENTS, f"--workdir={folder}", *more)
        self.paths = [folder.with_suffix(f".{index}.txt") for index in range(2)]
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(path, "w")) for path in self.paths]
            self.workers = [
                start_worker(arguments, ports, index, file) for index, file in enumerate(files)
            ]

    def text(self, index: int) -> str:
        return self.paths[index].read_text()

    def wait_until(self, moment: Moment, delay: float) -> None:
        deadline = time.monotonic() + SECONDS
        while not moment.reached(self.folder, self.text(CHIEF)):
            assert self.workers[CHIEF].poll() is None, self.text(CHIEF)
            assert time.monotonic() < deadline, moment.name
            time.sleep(0.0005)
        time.sleep(delay)

    def end(self) -> list[int]:
        return [worker.wait(SECONDS) for worker in self.workers]


@contextlib.contextmanager
def start(folder: pathlib.Path, *more: str):
    pair = Pair(folder, *more)
    try:
        yield pair
    finally:
        for worker in pair.workers:
            worker.kill()
            worker.wait()


def finish(folder: pathlib.Path) -> None:
    with start(folder, *TRAINING_ALONE) as pair:
        assert pair.end() == [0, 0], (pair.text(CHIEF), pair.text(OTHER))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The newest checkpoint of a run that was never disturbed."""
    folder = tmp_path_factory.mktemp("damage") / "straight"
    finish(folder)
    return final_state(folder)


@pytest.mark.parametrize("case", range(len(KILLS)))
def test_killed_the_other_ends_in_time_and_both_go_on(case, straight, tmp_path):
    moment, index = KILLS[case]
    folder, delay = tmp_path / "run", random.Random(case).uniform(0.0, moment.delay)
    more = () if moment in (EXPORT, EVALUATION) else TRAINING_ALONE
    with start(folder, *more) as pair:
        pair.wait_until(moment, delay)
        trained = "part is done" in pair.text(OTHER)
        pair.workers[index].kill()
        begun = time.monotonic()
        code = pair.workers[1 - index].wait(LOSS_SECONDS)
        seconds, text = time.monotonic() - begun, pair.text(1 - index)
    if index == CHIEF and code == 0:  # its part was done before
        assert "part is done" in text
    elif not trained:
        assert code == 2, text
        assert text.count("error: ") == 1 and "has lost another one" in text, text
    assert "Traceback" not in text
    finish(folder)
    assert_same_state(folder, straight)
    who = ("chief", "other")[index]
    print(
        f"\nkill -9 of the {who}, {moment.name} + {delay:.3f} s: code {code} after {seconds:.1f} s"
    )


def test_a_worker_that_vanishes_without_a_word_is_missed(straight, tmp_path):
    """Stopped, it keeps its connections and says nothing."""
    with start(tmp_path / "run", *TRAINING_ALONE) as pair:
        pair.wait_until(TRAINING, 0.5)
        pair.workers[OTHER].send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        code = pair.workers[CHIEF].wait(2 * LOSS_SECONDS)
        assert code == 2 and "has lost another one" in pair.text(CHIEF)
        print(f"\nvanished: code {code} after {time.monotonic() - begun:.1f} s")
    finish(tmp_path / "run")
    assert_same_state(tmp_path / "run", straight)
