"""`history.jsonl`: an epoch's losses, or an event of the run, a JSON object a line.

Rows of epochs have the key `epoch`, events the key `event`: `diverged`, `rollback`, `replicas`, or
`settings`. Nothing here imports TensorFlow.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from tf_sintrovae.errors import UserError


def append(path: pathlib.Path, row: Mapping[str, Any]) -> None:
    """Adds a line; one that a killed process left unfinished is ended first.

    Raises:
        UserError: a file that cannot be written, on a full disk for example.
    """
    try:
        with open(path, "a+b") as file:
            start = b"\n" if _ends_within_a_line(file) else b""
            file.write(start + json.dumps(row).encode() + b"\n")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): make room, then give the same command to go on"
        ) from error


def read_history(path: pathlib.Path) -> list[dict]:
    """The rows of epochs, in their order; of two for one epoch the later."""
    rows = {row["epoch"]: row for row in _rows(path) if "epoch" in row}
    return [rows[epoch] for epoch in sorted(rows)]


def read_events(path: pathlib.Path) -> list[dict]:
    """The events, in the order in which they happened."""
    return [row for row in _rows(path) if "event" in row]


def _rows(path: pathlib.Path) -> Iterator[dict]:
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):  # the line that a killed process was writing
            row = json.loads(line)
            if isinstance(row, dict):
                yield row


def _ends_within_a_line(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
