"""The progress of an evaluation: which metric is taken, what is being done for it, and the time left."""

import datetime
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TextIO, TypeVar

from tf_sintrovae import terminal

T = TypeVar("T")

_TERMINAL_SECONDS = 0.1  # between redrawn lines
_FILE_SECONDS = 10.0  # between lines of a file


class Progress(Protocol):
    """Function that an evaluation tells how far it is.

    Called with the name of a metric alone when it begins, and then with each step of its longer stages.
    """

    def __call__(self, name: str, stage: str = "", done: int = 0, total: int = 0) -> None:
        """Takes the metric's name, what is being done for it, and how many steps of how many are done."""


class Track(Protocol):
    """Function that passes items on and tells how many are done with."""

    def __call__(self, items: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Passes on `total` items of a stage."""


def untracked(items: Iterable[T], stage: str, total: int) -> Iterator[T]:
    """Passes items on and tells nobody."""
    return iter(items)


def tracked(tell: Callable[[str, int, int], None]) -> Track:
    """Makes a function that passes items on and tells how many are done with.

    Args:
        tell: function of a stage, the number of its items that are done with, and of all its items. It hears
            of the last one also where the work was broken off.
    """

    def track(items: Iterable[T], stage: str, total: int) -> Iterator[T]:
        try:
            for done, item in enumerate(items):
                tell(stage, done, total)
                yield item
        finally:
            tell(stage, total, total)

    return track


class ProgressLines:
    """Lines that tell what is measured, since when, and how long the present stage will take.

    On a terminal a stage has a line that is redrawn and vanishes with it; in a file there is a new line now
    and then.

    Args:
        start: moment that times are counted from, by `clock`.
        stream: text stream that the lines are written to; stderr when None.
        clock: function that returns the time in seconds.
    """

    def __init__(
        self,
        start: float,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._start, self._clock = start, clock
        self._stream = sys.stderr if stream is None else stream
        self._stage = ""
        self._stage_start = self._last_line = start

    def __call__(self, name: str, stage: str = "", done: int = 0, total: int = 0) -> None:
        """Writes a line where it is time for one."""
        if not stage:
            self._write(f"measuring {name} ...")
            return
        if stage != self._stage or not done:
            self._stage, self._stage_start = stage, self._clock()
        if self._stream.isatty():
            self._redraw(name, stage, done, total)
        elif done < total and self._clock() - self._last_line >= _FILE_SECONDS:
            self._write(f"{name}: {self._describe(stage, done, total)}")

    def _describe(self, stage: str, done: int, total: int) -> str:
        text = f"{stage}, {done / total:.0%}"
        if not done:
            return text
        left = (self._clock() - self._stage_start) / done * (total - done)
        return f"{text}, {datetime.timedelta(seconds=round(left))} left"

    def _write(self, text: str) -> None:
        self._last_line = self._clock()
        seconds = self._last_line - self._start
        print(f"[{seconds:4.0f} s] {text}", file=self._stream, flush=True)

    def _redraw(self, name: str, stage: str, done: int, total: int) -> None:
        """Draws the line of a stage over the one before; nothing stays of it when the stage is done."""
        now, line = self._clock(), ""
        if done < total:
            if done and now - self._last_line < _TERMINAL_SECONDS:
                return
            line = f"  {name}: {self._describe(stage, done, total)}"
        self._last_line = now
        terminal.redraw(line, self._stream, end="" if line else "\r")
