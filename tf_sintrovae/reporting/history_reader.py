"""Reads a run's `history.jsonl` as it grows, each line once, in bounded memory."""

import collections
import json
import pathlib
from typing import Any, BinaryIO

from tf_sintrovae.reporting.curves import Curve

_NOT_METRICS = ("epoch", "step", "stage")
_MOST_EVENTS = 100  # that are kept; all are counted
_LONGEST_LINE = 1_000_000  # bytes
_MOST_METRICS = 200  # names in a file that may be anything


class HistoryReader:
    """What a report shows of a history.

    Args:
        path: path of the file, which need not be there.

    Attributes:
        curves: thinned curves by the name of a metric and a stage.
        starts: first epoch of each stage, counted from 1.
        last: the last epoch's row; empty before the first.
        events: the last events (`tf_sintrovae.training.history`), each with the `epoch` after which it
            happened.
        counts: number of events by kind.
        damaged: number of lines that are no JSON objects.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        self._forget_all()

    def _forget_all(self) -> None:
        self._position = 0
        self.curves: dict[tuple[str, str], Curve] = {}
        self.starts: dict[str, int] = {}
        self.last: dict[str, Any] = {}
        self.events: collections.deque[dict] = collections.deque(maxlen=_MOST_EVENTS)
        self.counts: collections.Counter[str] = collections.Counter()
        self.damaged = 0

    def update(self) -> None:
        """Reads what was added; a file that is shorter than before is another run's and read anew."""
        try:
            if self._path.stat().st_size < self._position:
                self._forget_all()
            with open(self._path, "rb") as file:
                file.seek(self._position)
                self._read(file)
        except FileNotFoundError:
            self._forget_all()

    def _read(self, file: BinaryIO) -> None:
        """Takes whole lines; one that is being written is left for the next time."""
        while (line := file.readline(_LONGEST_LINE)).endswith(b"\n") or len(line) == _LONGEST_LINE:
            self._position += len(line)
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = ...
        if isinstance(row, dict) and isinstance(row.get("event"), str):
            self.events.append(row | {"epoch": self.last.get("epoch", 0)})
            self.counts[row["event"]] += 1
        elif isinstance(row, dict) and _is_epoch(row):
            self._take_epoch(row)
        elif row is not None:
            self.damaged += 1

    def _take_epoch(self, row: dict) -> None:
        epoch, stage = row["epoch"], str(row.get("stage", "vae"))
        if epoch <= self.last.get("epoch", 0):  # repeated by a resumed run: the later row holds
            for curve in self.curves.values():
                curve.forget(epoch)
            self.starts = {name: first for name, first in self.starts.items() if first < epoch}
        self.starts.setdefault(stage, epoch)
        self.last = row
        for name, value in row.items():
            if name not in _NOT_METRICS and _is_number(value) and self._has_room((name, stage)):
                self.curves.setdefault((name, stage), Curve()).add(epoch, float(value))

    def _has_room(self, key: tuple[str, str]) -> bool:
        return key in self.curves or len(self.curves) < _MOST_METRICS

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, in the order in which they first came."""
        return list(dict.fromkeys(name for name, _ in self.curves))

    def recent(self, name: str) -> float | None:
        """The mean of the last tenth of a metric's curve in the present stage; None without any."""
        curve = self.curves.get((name, str(self.last.get("stage"))))
        return None if curve is None else curve.recent()


def _is_epoch(row: dict) -> bool:
    epoch = row.get("epoch")
    return isinstance(epoch, int) and not isinstance(epoch, bool) and 0 < epoch < 2**53


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a curve can show."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
