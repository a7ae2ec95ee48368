"""Drawing of arrays: tiles of images, points, densities, curves."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tf_sintrovae.data.ranges import PlotRange

_COLOURS = matplotlib.colormaps["tab10"]
# Above this ratio of its sides a range is drawn as a square, else true to scale.
_MOST_OBLONG = 4.0


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Lays [N, H, W, C] images row by row: [rows * (H + 1), columns * (W + 1), C], a white line between."""
    rows = -(-len(images) // columns)
    blank = np.ones((rows * columns - len(images), *images.shape[1:]), images.dtype)
    framed = np.pad(
        np.concatenate([images, blank]), ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1
    )
    _, height, width, channels = framed.shape
    framed = framed.reshape(rows, columns, height, width, channels)
    return framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def interleave(originals: np.ndarray, others: np.ndarray, columns: int) -> np.ndarray:
    """Lays rows of `columns` originals, each followed by the row of what became of them."""
    rows = [
        part
        for start in range(0, len(originals), columns)
        for part in (originals[start : start + columns], others[start : start + columns])
    ]
    return np.concatenate(rows)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Converts an image [H, W, C] in [0, 1] to [H, W, 3] uint8; grey is repeated."""
    values = np.clip(255.0 * image, 0, 255).astype(np.uint8)
    return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values


def image_figure(image: np.ndarray, title: str) -> Figure:
    """Draws an image [H, W, C] in [0, 1] under a title."""
    height, width = image.shape[:2]
    figure = Figure(figsize=(6, 6 * height / width + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(to_rgb(image), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)
    return figure


def scatter(
    points: np.ndarray, labels: np.ndarray, plot_range: PlotRange, size: float = 2.0
) -> Figure:
    """Draws points [N, 2] coloured by label, `size` square typographic points each, on part of the plane."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(points[:, 0], points[:, 1], c=labels, cmap="tab20", s=size)
    _show(axes, plot_range)
    return figure


def ways(data: np.ndarray, lines: np.ndarray, title: str, plot_range: PlotRange) -> Figure:
    """Draws lines [N, steps, 2] among points [M, 2], a dot at each end, on a part of the plane."""
    figure = Figure(figsize=(4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.scatter(data[:, 0], data[:, 1], color="0.8", s=2)
    for number, line in enumerate(lines):
        axes.plot(line[:, 0], line[:, 1], color=_COLOURS(number % 10), linewidth=1)
        axes.plot(*line[[0, -1]].T, "o", color=_COLOURS(number % 10), markersize=3)
    axes.set_title(title)
    _show(axes, plot_range)
    return figure


def density_pair(real: np.ndarray, fake: np.ndarray, plot_range: PlotRange) -> Figure:
    """Draws the densities of data [N, 2] and samples [M, 2] side by side."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, points, title in zip(
        figure.subplots(1, 2), (real, fake), ("data", "samples"), strict=True
    ):
        with np.errstate(invalid="ignore"):  # a panel without any point inside stays blank
            axes.hist2d(
                points[:, 0], points[:, 1], bins=100, range=plot_range, density=True, cmap="viridis"
            )
        axes.set_title(title)
        _show(axes, plot_range)
    return figure


def histogram_pair(real: np.ndarray, fake: np.ndarray, plot_range: PlotRange) -> Figure:
    """Draws histograms of the first coordinates of data [N, 2] and samples [M, 2]."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for points, name in ((real, "data"), (fake, "samples")):
        with np.errstate(invalid="ignore"):  # as in density_pair
            axes.hist(points[:, 0], 100, range=plot_range[0], density=True, alpha=0.5, label=name)
    axes.legend()
    return figure


def losses(history: Sequence[Mapping]) -> Figure:
    """Draws every recorded mean against the epoch, a panel each; the hue changes with the stage."""
    names = list(dict.fromkeys(n for row in history for n in row))
    names = [name for name in names if name not in ("epoch", "step", "stage")]
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3 * columns, 2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        for colour, stage in enumerate(("vae", "introspective")):
            points = [(r["epoch"], r[name]) for r in history if r["stage"] == stage and name in r]
            axes.plot(*zip(*points, strict=True) if points else ((), ()), color=_COLOURS(colour))
        axes.set_title(name)
    return figure


def render(figure: Figure) -> np.ndarray:
    """Renders a figure as [H, W, 3] uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _show(axes: Axes, plot_range: PlotRange) -> None:
    (left, right), (bottom, top) = plot_range
    width, height = right - left, top - bottom
    is_oblong = max(width, height) > _MOST_OBLONG * min(width, height)
    aspect = width / height if is_oblong else "equal"
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect=aspect)
