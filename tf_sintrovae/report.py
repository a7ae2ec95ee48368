"""Results as JSON, with what is needed to repeat them, and as a table."""

import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_sintrovae import __version__
from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.workdir import write_atomically


def versions() -> dict[str, str]:
    """Versions of this package and of those that the numbers depend on."""
    names = ("tensorflow", "keras", "tensorflow-probability", "numpy", "scikit-learn")
    return {"tf-sintrovae": __version__} | {n: importlib.metadata.version(n) for n in names}


def results(
    metrics: Mapping[str, float], source: Source, seed: int, step: int | None, epoch: int | None
) -> dict[str, Any]:
    """The content of `results.json`."""
    return {
        "step": step,
        "epoch": epoch,
        "seed": seed,
        "dataset": source.name,
        "num_train": source.num_train,
        "versions": versions(),
        "metrics": dict(metrics),
    }


def write(content: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes JSON in one step.

    Raises:
        UserError: a path that cannot be written.
    """
    try:
        write_atomically(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): give another") from error


def table(metrics: Mapping[str, float]) -> str:
    """One line a figure, names padded."""
    width = max(map(len, metrics), default=0)
    return "\n".join(f"  {name:{width}}  {value:.6g}" for name, value in metrics.items())
