"""The folder of an export: what travels to the machine that runs it.

meta.json       settings, schedule, and of each program the names of inputs and outputs
state.npz       every variable at the start
data.npz        the training examples
expected.npz    what TensorFlow computed of the first steps
programs/       a JAX export of each program
benchmarks/     the code that runs it
"""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np

from benchmarks.hlo import arrays
from benchmarks.hlo.errors import ExportError


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Reads such a folder.

    Attributes:
        root: the folder.
    """

    root: pathlib.Path

    @functools.cached_property
    def meta(self) -> dict[str, Any]:
        """What `meta.json` holds.

        Raises:
            ExportError: there is none.
        """
        path = self.root / "meta.json"
        if not path.exists():
            raise ExportError(f"{self.root} holds no export: no meta.json there")
        return json.loads(path.read_text(encoding="utf-8"))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the run, as in its `config.json`."""
        return self.meta["settings"]

    def program(self, name: str) -> bytes:
        """A serialized JAX export."""
        return program_path(self.root, name).read_bytes()

    def initial_state(self) -> dict[str, np.ndarray]:
        """Every variable at the start, by name."""
        return arrays.read_arrays(self.root / "state.npz")

    def examples(self) -> np.ndarray:
        """The training examples [N, *shape] float32."""
        return arrays.unpack(arrays.read_arrays(self.root / "data.npz"))

    def expected(self) -> dict[str, np.ndarray]:
        """What TensorFlow computed (`benchmarks.hlo.expected`)."""
        return arrays.read_arrays(self.root / "expected.npz")

    def state_before(self, event: int) -> dict[str, np.ndarray] | None:
        """Every variable before an event that TensorFlow computed; None where it follows from the start."""
        path = state_path(self.root, event)
        return arrays.read_arrays(path) if path.exists() else None


def program_path(root: pathlib.Path, name: str, suffix: str = "jax") -> pathlib.Path:
    """The file of a program: a JAX export, or the HLO that it is made of."""
    return root / "programs" / f"{name}.{suffix}"


def state_path(root: pathlib.Path, event: int) -> pathlib.Path:
    """The file of the state before an event."""
    return root / "states" / f"{event:04d}.npz"
