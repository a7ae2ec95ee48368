"""Charts as SVG inside a page; text takes the page's own colour, so that they suit dark and light."""

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tf_sintrovae.reporting.curves import Span

# Told apart from each other and from the background, black or white.
COLOURS = ("#2f7fd0", "#e0722a", "#2f9e5f", "#c9539a", "#8a6fd1", "#b08a1e", "#d24b4b", "#25a3b0")
_TEXT = "#010203"  # stands for the page's own colour of text
# What an SVG of matplotlib's has and a page does not need.
_SHORTER = (
    ("<metadata>.*?</metadata>", ""),
    ("<defs>\\s*<style.*?</style>\\s*</defs>", ""),  # would hold for the whole page
    (r' id="[A-Za-z0-9_.]+_\d+"', ""),
    (r" font-family: [^;\"]*;", ""),
    (r' transform="rotate\(-0 [^"]*\)"', ""),
    (r'(?<=[ "\n-])(\d+\.\d\d)\d+(?=[ "])', r"\1"),  # coordinates; texts stand between > and <
    (r"\s*\n\s*", "\n"),
)
_RC: dict[Any, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text as text: smaller, and in the page's font
    "svg.hashsalt": "report",  # equal charts are equal files
    "text.parse_math": False,  # a name may hold a dollar
    "font.size": 8,
    "text.color": _TEXT,
    "axes.edgecolor": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-3, 4),
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}


class Line(NamedTuple):
    """A curve of a chart.

    Attributes:
        name: name in the legend; empty for none.
        stretches: its stretches, one for each stage; no line joins them.
        colour: colour as `#rrggbb`.
        style: line style of matplotlib.
    """

    name: str
    stretches: Sequence[Sequence[Span]]
    colour: str
    style: str = "-"


class Mark(NamedTuple):
    """An epoch at which something happened: a vertical line.

    Attributes:
        epoch: number of epochs that were complete by then.
        name: what happened.
        colour: colour as `#rrggbb`; that of the page's text when None.
    """

    epoch: float
    name: str
    colour: str | None = None


def line_chart(
    title: str, lines: Sequence[Line], marks: Sequence[Mark] = (), epochs: int | None = None
) -> Markup:
    """Draws curves over the epochs; where epochs are merged, a band spans their least and greatest values.

    Args:
        title: name of the chart for those who cannot see it.
        lines: its curves, with one span at least.
        marks: epochs to mark.
        epochs: number of epochs that the axis spans; as many as the curves when None.
    """
    with matplotlib.rc_context(_RC):
        figure, axes = _axes((3.3, 1.9), 0.16, 0.15)
        for line in lines:
            _draw_line(axes, line)
        for mark in marks:
            axes.axvline(mark.epoch, color=mark.colour or _TEXT, linewidth=0.8, linestyle=":")
        _limit(axes, [span for line in lines for part in line.stretches for span in part])
        if epochs is not None:
            axes.set_xlim(0, epochs + 1)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if any(line.name for line in lines):
            axes.legend(frameon=False, fontsize=7, handlelength=1.2, borderpad=0)
        return _svg(figure, title)


def bar_chart(title: str, labels: Sequence[str], bars: dict[str, Sequence[float]]) -> Markup:
    """Draws groups of bars side by side, one a label and a name."""
    with matplotlib.rc_context(_RC):
        figure, axes = _axes((7.0, 1.9), 0.08, 0.16)
        width = 0.8 / len(bars)
        for place, (name, values) in enumerate(bars.items()):
            at = np.arange(len(values)) + (place + 0.5) * width - 0.4
            axes.bar(at, values, width, color=COLOURS[place], label=name)
        every = max(1, -(-len(labels) // 25))
        axes.set_xticks(range(0, len(labels), every), labels[::every])
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.set_ylim(0, 1.3 * max(max(values) for values in bars.values()) or 1.0)  # room above
        axes.legend(frameon=False, fontsize=7, ncols=len(bars), loc="upper right")
        return _svg(figure, title)


def heat_map(title: str, rows: Sequence[str], columns: Sequence[str], values: np.ndarray) -> Markup:
    """Draws a table [rows, columns] of shares as colours from 0 to the greatest."""
    with matplotlib.rc_context(_RC):
        height = min(0.8 + 0.16 * len(rows), 3.0)
        figure, axes = _axes((3.4, height), 0.12, 0.3 / height)
        image = axes.imshow(values, aspect="auto", cmap="viridis", vmin=0.0)
        for set_ticks, names in ((axes.set_yticks, rows), (axes.set_xticks, columns)):
            every = max(1, -(-len(names) // 15))
            set_ticks(range(0, len(names), every), names[::every])
        figure.colorbar(image, ax=axes, pad=0.02).outline.set_visible(False)
        return _svg(figure, title)


def _axes(size: tuple[float, float], left: float, bottom: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, `left` and `bottom` being its margins as shares."""
    figure = Figure(figsize=size)
    axes = figure.subplots()
    figure.subplots_adjust(left=left, right=0.98, bottom=bottom, top=0.91)
    return figure, axes


def _draw_line(axes: Axes, line: Line) -> None:
    name: str | None = line.name
    for stretch in line.stretches:
        epochs = [(span.first + span.last) / 2 for span in stretch]
        means = [span.mean for span in stretch]
        style = "." if len(stretch) == 1 else line.style
        axes.plot(epochs, means, style, color=line.colour, linewidth=1.2, label=name or None)
        if any(span.size > 1 for span in stretch):
            low, high = ([getattr(span, end) for span in stretch] for end in ("low", "high"))
            axes.fill_between(epochs, low, high, color=line.colour, alpha=0.25, linewidth=0)
        name = None  # once in the legend


def _limit(axes: Axes, spans: Sequence[Span]) -> None:
    """Leaves out the first epochs' great values where all the rest would be a flat line beside them."""
    low, high = _range(spans)
    later = sorted(spans, key=lambda span: span.first)[len(spans) // 10 :]
    later_low, later_high = _range(later)
    if later_high - later_low < 0.2 * (high - low):
        low, high = later_low, later_high
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)


def _range(spans: Iterable[Span]) -> tuple[float, float]:
    values = [(span.low, span.high) for span in spans]
    return min(low for low, _ in values), max(high for _, high in values)


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an `svg` element that bears a title for those who cannot see it."""
    file = io.StringIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for pattern, replacement in _SHORTER:
        text = re.sub(pattern, replacement, text, flags=re.S)
    start, rest = text.replace(_TEXT, "currentColor").split(">", 1)
    start = re.sub(' (width|height)="[^"]*"', "", start)  # as wide as the page lets it
    label = Markup(' role="img" aria-label="{}">').format(title)
    return Markup(start) + label + Markup(rest)
