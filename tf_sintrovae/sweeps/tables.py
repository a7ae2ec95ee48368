"""Tables as Markdown and as LaTeX."""

import math
import re
from collections.abc import Callable

from tf_sintrovae.sweeps.estimates import Estimate
from tf_sintrovae.sweeps.summary import Table

MISSING = "missing"
_ARROWS = {"min": " ↓", "max": " ↑", None: ""}
_LATEX_ARROWS = {"min": r" $\downarrow$", "max": r" $\uparrow$", None: ""}
_LATEX_BOLD = r"\textbf{{{}}}"
_LATEX_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX_SPECIAL |= {"−": "$-$", "±": r"$\pm$", "<": "$<$", ">": "$>$"}


def markdown(table: Table) -> str:
    """A Markdown table under its heading; the best of each metric is bold."""
    metrics = [f"`{name}`{_ARROWS[direction]}" for name, direction in table.directions.items()]
    head, *lines = _grid(table, metrics, lambda text: text.replace("|", r"\|"), "**{}**")
    lines = [head, ["---"] * len(head), *lines]
    return f"### {table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(table: Table) -> str:
    """A LaTeX tabular under its heading as a comment; the best of each metric is bold. Needs no package."""
    metrics = [_escape(n) + _LATEX_ARROWS[direction] for n, direction in table.directions.items()]
    head, *body = (
        " & ".join(line) + r" \\" for line in _grid(table, metrics, _escape, _LATEX_BOLD)
    )
    begin = rf"\begin{{tabular}}{{{'l' * (head.count(' & ') + 1)}}}"
    lines = [f"% {table.title}", begin, r"\hline", head, r"\hline", *body, r"\hline"]
    return "\n".join([*lines, r"\end{tabular}"]) + "\n"


def cell(value: Estimate | None, num_seeds: int) -> str:
    """A mean, its interval and the number of seeds, `2 of 5` where some are missing."""
    if value is None:
        return MISSING
    interval = "" if math.isnan(value.low) else f" [{_digits(value.low)}, {_digits(value.high)}]"
    count = str(value.num_seeds)
    if value.num_seeds < num_seeds:
        count += f" of {num_seeds}"
    return f"{_digits(value.mean)}{interval} (n={count})"


def _digits(value: float) -> str:
    """Four digits; 0 for what differences of equal values leave by rounding."""
    return f"{round(value, 15) + 0.0:.4g}"


def _grid(
    table: Table, metrics: list[str], escape: Callable[[str], str], bold: str
) -> list[list[str]]:
    """The texts of a table with its heads; metrics are columns, or rows where they outnumber the variants."""
    lines = [["", *metrics]]
    for row, (label, estimates) in enumerate(table.rows):
        texts = [escape(cell(each, table.num_seeds)) for each in estimates]
        texts = [bold.format(t) if table.is_best(row, c) else t for c, t in enumerate(texts)]
        lines.append([escape(label), *texts])
    if len(metrics) > len(table.rows):
        return [list(column) for column in zip(*lines, strict=True)]
    return lines


def _escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    text = re.sub(r"[&%$#_{}]", lambda match: "\\" + match[0], text.replace("\\", "\0"))
    for character, command in _LATEX_SPECIAL.items():
        text = text.replace("\0" if character == "\\" else character, command)
    return text
