"""Settings of a sweep that are the best of a grid search, as the paper chooses them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps.folder import SweepFolder
from tf_sintrovae.sweeps.job import Job
from tf_sintrovae.sweeps.sweep import Sweep


class Search(NamedTuple):
    """A grid search: a sweep whose first metric is the one that counts, and where its runs are."""

    sweep: Sweep
    folder: SweepFolder


def tune(sweep: Sweep, searches: Sequence[Search]) -> Sweep:
    """Gives each job the settings that were best in the search for its levels.

    Args:
        sweep: sweep to be tuned.
        searches: searches; the factors that they share with the sweep tell which of their runs belong to a
            job, the others are the settings that are taken over.

    Returns:
        The sweep with `tuned` settings of each job; the names of the jobs stay.

    Raises:
        UserError: a job that no search covers, or a search that is not over.
    """
    found: dict[str, dict[str, Any]] = {}  # what was found for the same levels, of other seeds, too
    jobs = []
    for job in sweep.jobs:
        key = str(job.factors)
        if key not in found:
            found[key] = _best_settings(job, searches)
        jobs.append(_tuned(job, found[key]))
    return dataclasses.replace(sweep, jobs=tuple(jobs))


def _tuned(job: Job, tuned: dict[str, Any]) -> Job:
    return dataclasses.replace(job, settings=job.settings | tuned, tuned=tuned)


def _best_settings(job: Job, searches: Sequence[Search]) -> dict[str, Any]:
    """The settings of the best run of the search that covers a job."""
    for search in searches:
        runs = [run for run in search.sweep.jobs if _belongs(run, job)]
        if runs:
            best = _best(search, runs)
            return {n: value for n, value in best.factors.items() if n not in job.factors}
    names = ", ".join(search.sweep.name for search in searches)
    raise UserError(f"tuned_by: none of {names} covers {job.name}")


def _belongs(run: Job, job: Job) -> bool:
    common = run.factors.keys() & job.factors.keys()
    return bool(common) and all(run.factors[name] == job.factors[name] for name in common)


def _best(search: Search, runs: Sequence[Job]) -> Job:
    """The run with the best first metric; runs that failed, as where training diverged, do not count."""
    metric, direction = next(iter(search.sweep.metrics.items()))
    sign = -1.0 if direction == "max" else 1.0
    open_runs = [r for r in runs if not (search.folder.is_finished(r) or search.folder.failure(r))]
    if open_runs:
        raise UserError(
            f"tuned_by: the search {search.sweep.name} is not over: {len(open_runs)} runs such as "
            f"{open_runs[0].name} are open; run that sweep first, with the same --folder"
        )
    values = {run.name: sign * _value(search, run, metric) for run in runs}
    best = min(runs, key=lambda run: values[run.name])
    if math.isinf(values[best.name]):
        raise UserError(f"tuned_by: no run of {search.sweep.name} such as {best.name} has {metric}")
    return best


def _value(search: Search, run: Job, metric: str) -> float:
    """The value of a metric; the worst there is where a run has none."""
    results = search.folder.results(run) if search.folder.is_finished(run) else None
    value = (results or {"metrics": {}})["metrics"].get(metric)
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    return -math.inf if search.sweep.metrics[metric] == "max" else math.inf
