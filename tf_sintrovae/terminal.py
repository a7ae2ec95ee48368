"""Lines that are drawn over each other on a terminal, one at a time."""

import shutil
import sys
from collections.abc import Iterable
from typing import TextIO


def width() -> int:
    """Number of characters that a line may have and still be redrawn: one that wraps cannot be."""
    return max(1, shutil.get_terminal_size().columns - 1)


def fit(forms: Iterable[str]) -> str:
    """Chooses the first of several forms of a line that fits the terminal; the last one where none does.

    Args:
        forms: forms of the line, the longest first; at least one.
    """
    form = ""
    for form in forms:
        if len(form) <= width():
            break
    return form


def redraw(line: str, stream: TextIO, end: str = "") -> None:
    """Draws a line over the one before, cut at the terminal's width.

    Args:
        line: text of the line.
        stream: terminal to draw on.
        end: text to write after it.
    """
    print(f"\r{line[: width()]:{width()}}", end=end, file=stream, flush=True)


def say(text: str) -> None:
    """Prints a line of its own to stdout, over a line that is being redrawn there."""
    if sys.stdout.isatty():
        redraw("", sys.stdout, end="\r")
    print(text, flush=True)
