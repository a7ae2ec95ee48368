"""Figures that compare the runs of a sweep."""

import pathlib
import re
from collections.abc import Mapping, Sequence

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tf_sintrovae.files import write_atomically
from tf_sintrovae.sweeps.folder import SweepFolder
from tf_sintrovae.sweeps.job import Job
from tf_sintrovae.sweeps.summary import Table, Values
from tf_sintrovae.sweeps.sweep import Sweep, row_label, table_label

# Figures of a run that are put side by side: for points `samples` shows the densities.
PICTURES = ("samples", "samples_by_component", "latent_space", "reconstructions")
_MOST_ROWS = 40  # of a metric's figure
_MOST_PICTURES = 16
_COLUMNS = 4
_ARROWS: Mapping[str | None, str] = {"min": " (less is better)", "max": " (more is better)"}


def draw_metrics(table: Table, values: Values, path: pathlib.Path) -> pathlib.Path | None:
    """Draws each metric by row: means with intervals, and every seed as a dot.

    Args:
        table: means and intervals.
        values: values by row, metric and seed.
        path: path of the PNG file.

    Returns:
        The path; None where there are no values, or more rows than one can tell apart.
    """
    if len(table.rows) > _MOST_ROWS or not any(any(row.values()) for row in values.values()):
        return None
    count = len(table.directions)
    size = (4.0 + 2.6 * min(count, _COLUMNS), (1.2 + 0.3 * len(table.rows)) * -(-count // _COLUMNS))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(
        -(-count // _COLUMNS), min(count, _COLUMNS), squeeze=False, sharey=True
    )
    for column, axes in enumerate(panels.flat):
        if column < count:
            _draw_metric(axes, table, values, column)
        else:
            axes.set_visible(False)
    figure.suptitle(table.title)
    return _save(figure, path)


def draw_side_by_side(
    sweep: Sweep, folder: SweepFolder, title: str, picture: str, path: pathlib.Path
) -> pathlib.Path | None:
    """Puts one picture of each row of a table side by side, of the first seed that has it.

    Args:
        sweep: sweep.
        folder: folder of the sweep.
        title: which of its tables.
        picture: name of a picture in the runs' `figures/`; they are of the last checkpoint.
        path: path of the PNG file.

    Returns:
        The path; None where there are no pictures, or more than one can see at once.
    """
    found = _pictures(sweep, folder, title, picture)
    if not found or len(found) > _MOST_PICTURES:
        return None
    columns = min(_COLUMNS, len(found))
    lines = -(-len(found) // columns)
    images = {label: matplotlib.image.imread(file) for label, file in found.items()}
    height, width = next(iter(images.values())).shape[:2]
    size = (4.5 * columns, (0.3 + 4.5 * height / width) * lines)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for axes, (label, image) in zip(panels.flat, images.items(), strict=False):
        axes.imshow(image)
        axes.set_title(label, fontsize=10)
    return _save(figure, path)


def file_name(*parts: str) -> str:
    """Name of a PNG file made of words."""
    texts = [re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in parts if part]
    return "-".join(texts) + ".png"


def _draw_metric(axes: Axes, table: Table, values: Values, column: int) -> None:
    name, direction = list(table.directions.items())[column]
    for place, (label, cells) in enumerate(table.rows):
        seeds = list(values[label][name].values())
        axes.plot(seeds, [place] * len(seeds), "o", color="0.7", markersize=3)
        estimate = cells[column]
        if estimate is not None:
            bars = np.nan_to_num([[estimate.mean - estimate.low], [estimate.high - estimate.mean]])
            bars = np.maximum(bars, 0.0)  # of equal values, by rounding
            axes.errorbar(estimate.mean, place, xerr=bars, fmt="ko", capsize=3, markersize=4)
    axes.set_yticks(range(len(table.rows)), [label for label, _ in table.rows], fontsize=8)
    axes.set_ylim(len(table.rows) - 0.5, -0.5)
    axes.set_title(name + _ARROWS.get(direction, ""), fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.locator_params(axis="x", nbins=4)  # more would run into each other


def _pictures(
    sweep: Sweep, folder: SweepFolder, title: str, picture: str
) -> dict[str, pathlib.Path]:
    """Files by row label."""
    found: dict[str, pathlib.Path] = {}
    for job in _jobs_of(sweep, title):
        file = folder.run(job) / "figures" / f"{picture}.png"
        label = row_label(sweep, job.factors)
        if label not in found and file.exists() and folder.is_finished_here(job):
            found[label] = file
    return found


def _jobs_of(sweep: Sweep, title: str) -> Sequence[Job]:
    return [job for job in sweep.jobs if table_label(sweep, job.factors) == title]


def _save(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, FigureCanvasAgg(figure).print_png)
    return path
