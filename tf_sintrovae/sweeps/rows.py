"""The runs of a sweep as tidy rows, one a run, and as a CSV file."""

import csv
import io
import pathlib
from collections.abc import Sequence
from typing import Any

from tf_sintrovae.errors import UserError
from tf_sintrovae.files import write_atomically
from tf_sintrovae.sweeps.folder import Record, Row, SweepFolder
from tf_sintrovae.sweeps.job import Job
from tf_sintrovae.sweeps.sweep import Sweep

# Columns that hold texts, whatever they look like.
_TEXTS = ("job", "status", "checkpoint", "arguments", "error")


def collect_rows(sweep: Sweep, folder: SweepFolder) -> list[Row]:
    """Reads what there is of every run, in the order of the jobs.

    Returns:
        Rows of the jobs that are finished or have failed: `job`, the factors, tuned settings, `seed`,
        `status`, `checkpoint`, `step`, `epoch`, `seconds`, `threads`, the metrics by name, `version/PACKAGE`,
        and `arguments`, which repeat the run.
    """
    rows = (_row(job, folder) for job in sweep.jobs)
    return [row for row in rows if row is not None]


def write_csv(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Writes rows in one step; what a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def read_csv(path: pathlib.Path) -> dict[str, Row]:
    """Reads rows as `write_csv` has written them, by job.

    Raises:
        UserError: a file that cannot be read, or that is no table of runs.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"rows={path} cannot be read: {error}") from error
    if not all({"job", "status", "arguments"} <= line.keys() for line in lines):
        raise UserError(
            f"rows={path} is no table of runs: expected the table.csv that a sweep has written"
        )
    return {line["job"]: {n: _value(n, t) for n, t in line.items() if n} for line in lines}


def _value(column: str, text: str) -> Any:
    """What a cell holds: a number where it can be one, and None where it is empty."""
    if not text:
        return None
    if column in _TEXTS or column.startswith("version/"):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _row(job: Job, folder: SweepFolder) -> Row | None:
    record, failure = folder.record(job), folder.failure(job)
    start = {"job": job.name, **job.factors, **job.tuned, "seed": job.seed}
    start["arguments"] = " ".join(job.arguments)
    if failure is not None:
        return start | {"status": "failed", "seconds": failure.seconds, "error": failure.last_line}
    if not folder.is_finished_here(job):
        return folder.row_from_elsewhere(job)
    return start | _result_columns(folder.results(job) or {}, record, folder.checkpoint)


def _result_columns(results: dict[str, Any], record: Record | None, checkpoint: str) -> Row:
    errors = results.get("errors") or {}
    return {
        "status": "incomplete" if errors else "finished",
        "checkpoint": checkpoint,
        "step": results.get("step"),
        "epoch": results.get("epoch"),
        "seconds": record.seconds if record else None,
        "threads": record.threads if record else None,
        "error": "; ".join(f"{name}: {text}" for name, text in errors.items()) or None,
        **results["metrics"],
        **{f"version/{name}": text for name, text in (results.get("versions") or {}).items()},
    }


def _columns(rows: Sequence[Row]) -> list[str]:
    """All columns of all rows: versions, arguments and errors come last."""
    every = list(dict.fromkeys(name for row in rows for name in row))
    last = [name for name in every if name.startswith("version/") or name in ("arguments", "error")]
    return [name for name in every if name not in last] + last
