"""The runs of a sweep by table, row and metric."""

import dataclasses
import math
from collections.abc import Sequence

from tf_sintrovae.sweeps.estimates import Estimate, estimate, paired_difference
from tf_sintrovae.sweeps.folder import Row
from tf_sintrovae.sweeps.sweep import Sweep, row_label, table_label

Values = dict[str, dict[str, dict[int, float]]]  # by row, metric and seed


@dataclasses.dataclass(frozen=True)
class Table:
    """Estimates of some metrics for each row.

    Attributes:
        title: heading.
        directions: `min` or `max` by metric; None where neither is better.
        rows: for each row its label and an estimate a metric; None where it is missing.
        num_seeds: number of seeds that a complete row has.
        marks_best: whether the best of a metric is marked.
    """

    title: str
    directions: dict[str, str | None]
    rows: tuple[tuple[str, tuple[Estimate | None, ...]], ...]
    num_seeds: int
    marks_best: bool = True

    def is_best(self, row: int, column: int) -> bool:
        """Whether no row has a better mean, nor is the only one."""
        direction = list(self.directions.values())[column]
        means = [cell.mean for _, cells in self.rows if (cell := cells[column]) is not None]
        own = self.rows[row][1][column]
        if not self.marks_best or direction is None or own is None or len(means) < 2:
            return False
        return own.mean == (min(means) if direction == "min" else max(means))


def summarise(sweep: Sweep, rows: Sequence[Row]) -> list[tuple[Table, Table]]:
    """Makes the tables: for each, the means, and the paired differences between rows.

    Args:
        sweep: sweep, which tells all rows that there are to be.
        rows: rows of its runs.
    """
    return [
        (_means(sweep, title, values), _differences(sweep, title, values))
        for title, values in collect_values(sweep, rows).items()
    ]


def collect_values(sweep: Sweep, rows: Sequence[Row]) -> dict[str, Values]:
    """The values of the sweep's metrics by table, row, metric and seed, without those that are missing."""
    tables: dict[str, Values] = {}
    found = {row["job"]: row for row in rows}
    for job in sweep.jobs:
        table = tables.setdefault(table_label(sweep, job.factors), {})
        metrics = table.setdefault(
            row_label(sweep, job.factors), {name: {} for name in sweep.metrics}
        )
        for name in sweep.metrics:
            value = found.get(job.name, {}).get(name)
            if isinstance(value, int | float) and math.isfinite(value):
                metrics[name][job.seed] = value
    return tables


def _means(sweep: Sweep, title: str, values: Values) -> Table:
    rows = tuple(
        (label, tuple(estimate([by_seed[s] for s in sorted(by_seed)]) for by_seed in row.values()))
        for label, row in values.items()
    )
    return Table(title or sweep.title, sweep.metrics, rows, len(sweep.seeds))


def _differences(sweep: Sweep, title: str, values: Values) -> Table:
    labels = list(values)
    pairs = [(a, b) for a, b in sweep.comparisons if a in values and b in values]
    pairs = pairs or [(label, labels[0]) for label in labels[1:]]
    rows = tuple(
        (
            f"{first} − {second}",
            tuple(
                paired_difference(values[first][name], values[second][name])
                for name in sweep.metrics
            ),
        )
        for first, second in pairs
    )
    heading = f"{title or sweep.title}: differences by seed"
    return Table(heading, sweep.metrics, rows, len(sweep.seeds), marks_best=False)
