"""The folder of a sweep: where each job runs, and what is known of it."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_sintrovae.files import write_atomically
from tf_sintrovae.sweeps.job import Job

# Exit codes of tf_sintrovae.main after which a run is done; with 3 some metrics or figures failed.
DONE = (0, 3)
STOPPED = 130  # by Ctrl-C or SIGTERM: to be continued
# Settings that say where a run is, and not what it is.
_OF_THE_MACHINE = {"workdir", "data_dir"}

Row = dict[str, Any]  # of a table: what is known of a run, by column


@dataclasses.dataclass(frozen=True)
class Record:
    """How the attempts at a job ended; `job.json` in its folder.

    Attributes:
        arguments: command line of the run but for its folder.
        exit_code: exit code of the last attempt; minus the number of the signal that killed it.
        last_line: last line that the attempt wrote.
        seconds: time of all attempts, but for those whose end nobody saw.
        ended: when the last attempt ended, in seconds since 1970.
        threads: number of threads that TensorFlow could use; another number rounds differently.
    """

    arguments: list[str]
    exit_code: int
    last_line: str
    seconds: float
    ended: float
    threads: int | None = None


@dataclasses.dataclass(frozen=True)
class SweepFolder:
    """Paths and states of the jobs of a sweep.

    Attributes:
        root: the folder.
        checkpoint: which model of a run is compared, `last` or `best`.
        elsewhere: rows of runs done in other folders, by job.
    """

    root: pathlib.Path
    checkpoint: str
    elsewhere: Mapping[str, Row] = dataclasses.field(default_factory=dict)

    @property
    def claims(self) -> pathlib.Path:
        """Folder of a lock for each job."""
        return self.root / "claims"

    @property
    def figures(self) -> pathlib.Path:
        """Folder of the figures that compare runs."""
        return self.root / "figures"

    def run(self, job: Job) -> pathlib.Path:
        """Folder of a run: the workdir of `tf_sintrovae.main`."""
        return self.root / "runs" / job.name

    def log(self, job: Job) -> pathlib.Path:
        """What a run wrote, all attempts one after the other."""
        return self.run(job) / "log.txt"

    def record(self, job: Job) -> Record | None:
        """How the attempts at a job ended; None before the first has, and for other settings than these."""
        content = _read_object(self.run(job) / "job.json")
        try:
            record = Record(**content)
        except TypeError:  # none, a damaged one, one of another version
            return None
        return record if record.arguments == job.arguments else None

    def write_record(self, job: Job, record: Record) -> None:
        """Keeps how the attempts at a job ended."""
        text = json.dumps(dataclasses.asdict(record), indent=2) + "\n"
        write_atomically(self.run(job) / "job.json", text)

    def results(self, job: Job) -> dict[str, Any] | None:
        """The complete results of a run's checkpoint; None as long as there are none."""
        content = _read_object(self._results_path(job))
        is_complete = isinstance(content.get("metrics"), dict) and not content.get("partial")
        return content if is_complete else None

    def row_from_elsewhere(self, job: Job) -> Row | None:
        """The row of a job that was done in another folder with the same settings."""
        row = self.elsewhere.get(job.name, {})
        done = row.get("status") in ("finished", "incomplete")
        same = row.get("arguments") == " ".join(job.arguments)
        return row if done and same and row.get("checkpoint") == self.checkpoint else None

    def is_finished(self, job: Job) -> bool:
        """Whether a job was done with these settings, to its results, here or elsewhere."""
        return self.row_from_elsewhere(job) is not None or self.is_finished_here(job)

    def is_finished_here(self, job: Job) -> bool:
        """Whether a job was done with these settings, to its results, in this folder."""
        if self.results(job) is None:
            return False
        record = self.record(job)
        return (record is not None and record.exit_code in DONE) or self._is_done_unseen(job)

    def failure(self, job: Job) -> Record | None:
        """The record of a job that failed; None for any other."""
        record = self.record(job)
        if record is None or record.exit_code == STOPPED or self.is_finished(job):
            return None
        return record

    def _is_done_unseen(self, job: Job) -> bool:
        """Whether the run itself tells that it is done: its process outlived the one that began it.

        A run writes its settings when it starts, and its results when it ends.
        """
        settings = _read_object(self.run(job) / "config.json")
        wanted = dataclasses.asdict(job.config)
        differing = [n for n in wanted if settings.get(n) != _as_json(wanted[n])]
        return set(differing) <= _OF_THE_MACHINE and (
            _changed(self._results_path(job)) >= _changed(self.run(job) / "config.json")
        )

    def _results_path(self, job: Job) -> pathlib.Path:
        name = "results_best.json" if self.checkpoint == "best" else "results.json"
        return self.run(job) / name


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _changed(path: pathlib.Path) -> int:
    """When a file was last changed, in nanoseconds."""
    return path.stat().st_mtime_ns


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
