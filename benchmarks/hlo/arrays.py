"""Arrays by name in a file: written whole or not at all, and few-valued ones as bytes."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

MOST_LEVELS = 256


def write_arrays(
    path: pathlib.Path, arrays: Mapping[str, np.ndarray], compress: bool = False
) -> None:
    """Writes an npz file; one that is there is replaced once the new one is complete."""
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as file:
        save: Any = np.savez_compressed if compress else np.savez
        save(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def pack(x: np.ndarray) -> dict[str, np.ndarray]:
    """An array as bytes and what they stand for, if it has 256 values at most; nothing is rounded."""
    levels = np.unique(x)
    if len(levels) > MOST_LEVELS:
        return {"x": x}
    return {"levels": levels, "codes": np.searchsorted(levels, x).astype(np.uint8)}


def unpack(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array that `pack` was given."""
    return arrays["levels"][arrays["codes"]] if "codes" in arrays else arrays["x"]
