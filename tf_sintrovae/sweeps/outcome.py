"""What a sweep leaves: `table.csv`, `table.md`, `table.tex` and figures."""

import contextlib
import pathlib
from collections.abc import Sequence

from tf_sintrovae.files import write_atomically
from tf_sintrovae.sweeps import figures, tables
from tf_sintrovae.sweeps.claim import turn
from tf_sintrovae.sweeps.folder import Row, SweepFolder
from tf_sintrovae.sweeps.rows import collect_rows, write_csv
from tf_sintrovae.sweeps.summary import Table, collect_values, summarise
from tf_sintrovae.sweeps.sweep import Sweep


def write_rows(sweep: Sweep, folder: SweepFolder) -> None:
    """Writes `table.csv` from all runs there are."""
    with _turn(folder):
        _write_rows(sweep, folder)


def write_outcome(sweep: Sweep, folder: SweepFolder) -> list[pathlib.Path]:
    """Writes rows, tables and figures from all runs there are; returns the paths."""
    with _turn(folder):
        rows = _write_rows(sweep, folder)
        pairs = summarise(sweep, rows)
        texts = {
            "table.md": _markdown(sweep, rows, pairs),
            "table.tex": "\n".join(tables.latex(table) for pair in pairs for table in pair),
        }
        for name, text in texts.items():
            write_atomically(folder.root / name, text)
        drawn = _draw(sweep, folder, rows, pairs)
    return [folder.root / name for name in ("table.csv", *texts)] + drawn


def _turn(folder: SweepFolder) -> contextlib.AbstractContextManager[None]:
    """One process at a time reads the runs and writes: the last to write has seen all that others saw."""
    return turn(folder.root / ".outcome.lock")


def _write_rows(sweep: Sweep, folder: SweepFolder) -> list[Row]:
    rows = collect_rows(sweep, folder)
    write_csv(rows, folder.root / "table.csv")
    return rows


def _markdown(sweep: Sweep, rows: Sequence[Row], pairs: Sequence[tuple[Table, Table]]) -> str:
    checkpoint = {"last": "last checkpoint", "best": "checkpoint with the least best_metric"}
    states = [row["status"] for row in rows]
    parts = [
        f"## {sweep.title}\n",
        *([f"{sweep.about}\n"] if sweep.about else []),
        f"Of {len(sweep.jobs)} runs {states.count('finished')} are finished, "
        f"{states.count('incomplete')} lack some metrics and {states.count('failed')} have failed. Each run "
        f"counts by its {checkpoint[sweep.checkpoint]}. Means over n seeds, in brackets 95 % bootstrap "
        "intervals (percentiles; too narrow for so few seeds); the best mean is bold.\n",
        *(tables.markdown(table) for pair in pairs for table in pair if table.rows),
    ]
    return "\n".join(parts)


def _draw(
    sweep: Sweep, folder: SweepFolder, rows: Sequence[Row], pairs: Sequence[tuple[Table, Table]]
) -> list[pathlib.Path]:
    drawn: list[pathlib.Path | None] = []
    for (title, values), (table, _) in zip(collect_values(sweep, rows).items(), pairs, strict=True):
        path = folder.figures / figures.file_name("metrics", title)
        drawn.append(figures.draw_metrics(table, values, path))
        for picture in figures.PICTURES:
            path = folder.figures / figures.file_name(picture, title)
            drawn.append(figures.draw_side_by_side(sweep, folder, title, picture, path))
    return [path for path in drawn if path is not None]
