"""Tables as Markdown and as LaTeX."""

import math
import re

from tf_sintrovae.sweeps.estimates import Estimate
from tf_sintrovae.sweeps.summary import Table

MISSING = "missing"
_ARROWS = {"min": " ↓", "max": " ↑", None: ""}
_LATEX_ARROWS = {"min": r" $\downarrow$", "max": r" $\uparrow$", None: ""}
_LATEX_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX_SPECIAL |= {"−": "$-$", "±": r"$\pm$", "<": "$<$", ">": "$>$"}


def markdown(table: Table) -> str:
    """A Markdown table under its heading; the best of each metric is bold."""
    head = ["", *(f"`{name}`{_ARROWS[d]}" for name, d in table.directions.items())]
    lines = [_markdown_row(head), _markdown_row(["---"] * len(head))]
    for row, (label, estimates) in enumerate(table.rows):
        texts = [cell(each, table.num_seeds) for each in estimates]
        texts = [f"**{t}**" if table.is_best(row, c) else t for c, t in enumerate(texts)]
        lines.append(_markdown_row([label, *texts]))
    return f"### {table.title}\n\n" + "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """A LaTeX tabular under its heading as a comment; the best of each metric is bold. Needs no package."""
    head = [
        "",
        *(_escape(name) + _LATEX_ARROWS[direction] for name, direction in table.directions.items()),
    ]
    lines = [f"% {table.title}", rf"\begin{{tabular}}{{l{'l' * len(table.directions)}}}", r"\hline"]
    lines += [_latex_row(head), r"\hline"]
    for row, (label, estimates) in enumerate(table.rows):
        texts = [_escape(cell(each, table.num_seeds)) for each in estimates]
        texts = [rf"\textbf{{{t}}}" if table.is_best(row, c) else t for c, t in enumerate(texts)]
        lines.append(_latex_row([_escape(label), *texts]))
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def cell(value: Estimate | None, num_seeds: int) -> str:
    """A mean, its interval and the number of seeds, `2 of 5` where some are missing."""
    if value is None:
        return MISSING
    interval = "" if math.isnan(value.low) else f" [{value.low:.4g}, {value.high:.4g}]"
    count = str(value.num_seeds)
    if value.num_seeds < num_seeds:
        count += f" of {num_seeds}"
    return f"{value.mean:.4g}{interval} (n={count})"


def _markdown_row(texts: list[str]) -> str:
    return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |"


def _latex_row(texts: list[str]) -> str:
    return " & ".join(texts) + r" \\"


def _escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    text = re.sub(r"[&%$#_{}]", lambda match: "\\" + match[0], text.replace("\\", "\0"))
    for character, command in _LATEX_SPECIAL.items():
        text = text.replace("\0" if character == "\\" else character, command)
    return text
