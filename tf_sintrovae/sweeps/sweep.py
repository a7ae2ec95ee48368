"""A sweep: what is to be run and compared, read from JSON and expanded to jobs in a fixed order.

docs/reproduce.md describes the format.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps import grid, job
from tf_sintrovae.sweeps.job import Job

_FOLDER = pathlib.Path(__file__).parent.parent / "configs" / "sweeps"
# What a file may hold, and of which type.
_KEYS: dict[str, type] = {
    "title": str,
    "about": str,
    "preset": str,
    "settings": dict,
    "grids": list,
    "seeds": list,
    "checkpoint": str,
    "metrics": dict,
    "tables_by": list,
    "comparisons": list,
    "tuned_by": list,
}
# Columns that rows have besides factors and metrics.
_COLUMNS = {
    "job",
    "seed",
    "status",
    "checkpoint",
    "step",
    "epoch",
    "seconds",
    "threads",
    "error",
    "arguments",
}
_WORDS = {"str": "string", "dict": "object", "list": "array"}
_NEEDED = ("title", "grids", "seeds", "metrics")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Many runs and what is made of them.

    Attributes:
        name: name of the sweep, and of its folder.
        title: heading of its tables.
        about: what it stands for, and what is reduced; may be empty.
        jobs: its jobs, in the order in which they are begun.
        seeds: seeds of each variant.
        metrics: columns of the tables: `min` or `max`, whichever is better, by metric; None where neither is.
        checkpoint: which model of a run is compared, `last` or `best`.
        tables_by: factors of which each combination of levels has a table of its own.
        comparisons: pairs of row labels whose differences are tabulated; when empty, each row's to the first.
        tuned_by: sweeps that are grid searches, and whose best settings are to be taken.
    """

    name: str
    title: str
    about: str
    jobs: tuple[Job, ...]
    seeds: tuple[int, ...]
    metrics: dict[str, str | None]
    checkpoint: str
    tables_by: tuple[str, ...]
    comparisons: tuple[tuple[str, str], ...]
    tuned_by: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Names of the sweeps that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def read(table: str) -> Sweep:
    """Reads a sweep.

    Args:
        table: name of a sweep that comes with the package, or path of a `.json` file.

    Raises:
        UserError: there is no such sweep, or its file does not hold one.
    """
    path = pathlib.Path(table).expanduser()
    if path.suffix != ".json":
        if table not in names():
            raise UserError(
                f"table {table!r} is unknown: expected one of {', '.join(names())}, or the path of a .json "
                "file"
            )
        path = _FOLDER / f"{table}.json"
    try:
        return parse(path.stem, _load(path))
    except UserError as error:
        raise UserError(f"sweep {path}: {error}") from error


def parse(name: str, content: Any) -> Sweep:
    """Checks the content of a file and expands it.

    Raises:
        UserError: what the content lacks, or has too much.
    """
    _check_keys(content)
    _check_metrics(content["metrics"])
    jobs = tuple(_jobs(content))
    _check_names(jobs)
    sweep = Sweep(
        name,
        content["title"],
        content.get("about", ""),
        jobs,
        tuple(content["seeds"]),
        content["metrics"],
        content.get("checkpoint", "last"),
        tuple(content.get("tables_by", ())),
        tuple((first, second) for first, second in _pairs(content.get("comparisons", []))),
        tuple(map(str, content.get("tuned_by", ()))),
    )
    _check_checkpoint(sweep)
    _check_labels(sweep)
    return sweep


def row_label(sweep: Sweep, factors: Mapping[str, Any]) -> str:
    """What a row of a table is called: the levels of the factors that tell it from the table's others."""
    return ", ".join(job.label({n: v for n, v in factors.items() if n not in sweep.tables_by}))


def table_label(sweep: Sweep, factors: Mapping[str, Any]) -> str:
    """What the table that a row belongs to is called; empty where there is but one."""
    return ", ".join(job.label({n: v for n, v in factors.items() if n in sweep.tables_by}))


def _load(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"is not JSON: {error}") from error


def _jobs(content: Mapping[str, Any]) -> list[Job]:
    """All jobs, seeds varying slowest: every variant has run once before any runs again."""
    points = [
        point
        for declared in content["grids"]
        for point in grid.expand(_object("grids", declared), content.get("settings", {}))
    ]
    preset = content.get("preset")
    return [job.make_job(*point, seed, preset) for seed in content["seeds"] for point in points]


def _check_keys(content: Any) -> None:
    for key, value in _object("the file", content).items():
        if key not in _KEYS:
            raise UserError(f"{key!r} is unknown: expected some of {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise UserError(f"{key}: expected a JSON {_WORDS[_KEYS[key].__name__]}, not {value!r}")
    for key in _NEEDED:
        if not content.get(key):
            raise UserError(f"{key!r} is missing or empty")
    if not all(type(seed) is int for seed in content["seeds"]):
        raise UserError(f"seeds={content['seeds']}: expected whole numbers")


def _object(place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected a JSON object, not {value!r}")
    return value


def _pairs(value: list) -> list[list[str]]:
    for pair in value:
        if not isinstance(pair, list) or [type(label) for label in pair] != [str, str]:
            raise UserError(f"comparisons: expected pairs of row labels, not {pair!r}")
    return value


def _check_metrics(metrics: Mapping[str, Any]) -> None:
    for name, direction in metrics.items():
        if direction not in ("min", "max", None):
            raise UserError(f"metrics: {name} is {direction!r}: expected min, max or null")


def _check_names(jobs: tuple[Job, ...]) -> None:
    """Refuses two jobs of one name: the second would be taken for the first."""
    seen: set[str] = set()
    for each in jobs:
        if each.name in seen:
            raise UserError(f"two jobs are called {each.name}: give their levels other names")
        seen.add(each.name)


def _check_checkpoint(sweep: Sweep) -> None:
    if sweep.checkpoint not in ("last", "best"):
        raise UserError(f"checkpoint={sweep.checkpoint!r}: expected last or best")
    for each in sweep.jobs if sweep.checkpoint == "best" else ():
        if each.config.best_metric is None:
            raise UserError(
                f"checkpoint=best needs the setting best_metric, which {each.name} lacks"
            )


def _check_labels(sweep: Sweep) -> None:
    """Refuses factors and rows that the sweep does not have."""
    factors = {name for each in sweep.jobs for name in each.factors}
    for name in sorted(factors & _COLUMNS):
        raise UserError(f"a factor cannot be called {name!r}: that is a column of every sweep")
    for name in sweep.tables_by:
        if name not in factors:
            raise UserError(f"tables_by: {name!r} is no factor of the grids")
    rows = dict.fromkeys(row_label(sweep, each.factors) for each in sweep.jobs)
    for label in (label for pair in sweep.comparisons for label in pair):
        if label not in rows:
            raise UserError(f"comparisons: there is no row {label!r}: expected {'; '.join(rows)}")
