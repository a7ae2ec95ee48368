"""The folder of a training: its state, and its losses."""

import json
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.hlo import arrays
from benchmarks.hlo.errors import ExportError

_SETTINGS = "settings"  # in the file of the state, beside the variables


class TrainingFolder:
    """Reads and writes the folder.

    Args:
        root: the folder.
        settings: settings of the run; a state of another run is refused.

    Attributes:
        state: file of the newest state.
        history: file with the means of each epoch, a JSON object a line, as in a workdir.
    """

    def __init__(self, root: pathlib.Path, settings: Mapping[str, Any]):
        self.state = root / "state.npz"
        self.history = root / "history.jsonl"
        self._identity = json.dumps(settings, sort_keys=True)

    def save(self, values: Mapping[str, np.ndarray]) -> None:
        """Writes a state; the one before stays valid until this one is complete."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        arrays.write_arrays(self.state, {**values, _SETTINGS: np.array(self._identity)})

    def read(self) -> dict[str, np.ndarray] | None:
        """The state that was saved last; None before.

        Raises:
            ExportError: it is of another run, or damaged.
        """
        if not self.state.exists():
            return None
        try:
            values = arrays.read_arrays(self.state)
        except (EOFError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise ExportError(
                f"{self.state} cannot be read ({error}): remove it to start afresh"
            ) from error
        if str(values.pop(_SETTINGS, "")) != self._identity:
            raise ExportError(f"{self.state} is of a run with other settings: give another folder")
        return values

    def record(self, row: Mapping[str, Any]) -> None:
        """Appends an epoch's means; of two rows for one epoch the later holds."""
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with open(self.history, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def step_name(variables: Mapping[str, Any]) -> str:
    """The name of the variable that counts steps."""
    return next(name for name in variables if name.startswith("run/") and name.endswith("/step"))
