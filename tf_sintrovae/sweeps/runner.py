"""Runs the jobs of a sweep side by side, each in a process of its own."""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from tf_sintrovae.sweeps.claim import claim
from tf_sintrovae.sweeps.folder import DONE, STOPPED, Record, SweepFolder
from tf_sintrovae.sweeps.job import Job
from tf_sintrovae.sweeps.progress import Progress
from tf_sintrovae.sweeps.resources import num_threads

# From a job and the folder of its run to a command line.
Command = Callable[[Job, pathlib.Path], list[str]]

_POLL_SECONDS = 0.2  # between looks at the running processes
_CLAIMED_POLL_SECONDS = 2.0  # between looks at the claims of other processes
_TAIL_BYTES = 10_000


@dataclasses.dataclass
class _Running:
    """A job that runs; the open file holds its claim."""

    job: Job
    process: subprocess.Popen
    claim: IO[str]
    slot: int
    start: float


class Runner:
    """Runs jobs that no other process has, until all are finished or have failed.

    Args:
        jobs: jobs in the order in which they are begun.
        folder: folder of the sweep, which may be shared with processes on this and other machines.
        environments: environment variables of each of the jobs side by side.
        command: function that makes a job's command line.
        when_finished: function called after each finished job.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        folder: SweepFolder,
        environments: Sequence[dict[str, str]],
        command: Command,
        when_finished: Callable[[], object] = lambda: None,
    ):
        self._folder, self._command, self._when_finished = folder, command, when_finished
        self._left = [job for job in jobs if not folder.is_finished(job)]
        self._failures_before = {job.name: folder.failure(job) for job in self._left}
        self._environments = list(environments)
        self._running: list[_Running] = []
        self._next_look = 0.0  # at jobs that other processes had when last seen
        self._progress = Progress(len(jobs), len(jobs) - len(self._left), len(environments))

    def run(self) -> str:
        """Runs everything; returns the throughput in words.

        Raises:
            KeyboardInterrupt: it was stopped, and the jobs have saved what they had.
        """
        with self._stopped_at_the_end():
            while self._left or self._running:
                self._begin_jobs()
                time.sleep(_POLL_SECONDS)
                self._end_jobs()
                self._progress.live(
                    {r.job.name: last_line(self._folder.log(r.job)) for r in self._running}
                )
        return self._progress.throughput()

    @contextlib.contextmanager
    def _stopped_at_the_end(self) -> Iterator[None]:
        """Leaves no job running, whatever happens: each is asked once to save and end, as by Ctrl-C."""
        try:
            yield
        finally:
            if self._running:
                print(f"stopping {len(self._running)} runs, which save what they have", flush=True)
            for running in self._running:
                running.process.send_signal(signal.SIGTERM)
            for running in self._running:
                self._end_stopped(running)

    def _end_stopped(self, running: _Running) -> None:
        """Waits for a job that was asked to end, and records it; a second Ctrl-C kills it."""
        try:
            running.process.wait()
        except KeyboardInterrupt:
            running.process.kill()
            running.process.wait()
        with contextlib.suppress(OSError):  # a full disk, which is told already
            self._record(running, STOPPED if running.process.returncode not in DONE else None)
        running.claim.close()

    def _begin_jobs(self) -> None:
        """Begins jobs until all slots are taken or no job is free."""
        used = {running.slot for running in self._running}
        free = [slot for slot in range(len(self._environments)) if slot not in used]
        if not free or time.monotonic() < self._next_look:
            return
        for job in list(self._left):
            if not free:
                return
            if self._begin(job, free[0]):
                free.pop(0)
        self._next_look = time.monotonic() + _CLAIMED_POLL_SECONDS
        if self._left and not self._running:
            self._progress.wait(len(self._left))

    def _begin(self, job: Job, slot: int) -> bool:
        """Begins a job unless another process has it, or has ended it."""
        lock = claim(self._folder.claims / f"{job.name}.lock")
        if lock is None:
            return False
        if self._ended_elsewhere(job):
            lock.close()
            self._left.remove(job)
            return False
        self._left.remove(job)
        self._progress.begin(job.name)
        self._running.append(
            _Running(job, self._start(job, slot, lock), lock, slot, time.monotonic())
        )
        return True

    def _ended_elsewhere(self, job: Job) -> bool:
        """Whether another process has finished the job, or failed at it, since this one was started."""
        if self._folder.is_finished(job):
            self._progress.skip(job.name, "finished by another process")
            return True
        failure = self._folder.failure(job)
        if failure is None or failure == self._failures_before[job.name]:
            return False
        self._progress.fail(job.name, f"{failure.last_line} (in another process)")
        return True

    def _start(self, job: Job, slot: int, lock: IO[str]) -> subprocess.Popen:
        """Starts the process of a job; it has the claim as well, and Ctrl-C reaches it through this one."""
        workdir = self._folder.run(job)
        workdir.mkdir(parents=True, exist_ok=True)
        with open(self._folder.log(job), "ab") as log:
            return subprocess.Popen(
                self._command(job, workdir),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self._environments[slot],
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )

    def _end_jobs(self) -> None:
        """Records the jobs that have ended."""
        for running in [r for r in self._running if r.process.poll() is not None]:
            self._running.remove(running)
            self._next_look = 0.0
            record = self._record(running)
            running.claim.close()
            if self._folder.is_finished(running.job):
                self._progress.finish(running.job.name, record.seconds)
                self._when_finished()
            else:
                self._progress.fail(running.job.name, reason(record))

    def _record(self, running: _Running, exit_code: int | None = None) -> Record:
        """Writes how an attempt ended; returns it."""
        job, before = running.job, self._folder.record(running.job)
        seconds = time.monotonic() - running.start + (before.seconds if before else 0.0)
        record = Record(
            job.arguments,
            running.process.returncode if exit_code is None else exit_code,
            last_line(self._folder.log(job)),
            round(seconds, 1),
            time.time(),
            num_threads(os.environ | self._environments[running.slot]),
        )
        self._folder.write_record(job, record)
        return record


def main_command(job: Job, workdir: pathlib.Path, extra: Sequence[str] = ()) -> list[str]:
    """The command line that runs a job.

    Args:
        job: job to run.
        workdir: folder of the run.
        extra: further arguments, which say where things are on this machine.
    """
    return [
        *(sys.executable, "-m", "tf_sintrovae.main"),
        *(*job.arguments, f"--workdir={workdir}", *extra),
    ]


def reason(record: Record) -> str:
    """Why a job is not finished, in words."""
    code = record.exit_code
    if code == STOPPED:
        return "stopped by a signal from elsewhere; the same command continues it"
    if code in DONE:
        return f"it ended with code {code}, but without complete results"
    how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
    return f"{how}: {record.last_line}"


def last_line(path: pathlib.Path) -> str:
    """The last line of a text that is not empty; of a line that was redrawn, its last state."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "")
