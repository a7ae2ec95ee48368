"""Measures training steps that were exported from TensorFlow: the project's, and the same written naively."""

from typing import Any

import jax

from benchmarks.hlo import timing
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.runtime import Runtime


def measure(bundle: Bundle) -> list[dict[str, Any]]:
    """A row for each program of the bundle."""
    runtime, x = Runtime(bundle), jax.device_put(bundle.examples())
    rows = []
    for name, (stage, way) in bundle.meta["ways"].items():
        row, _ = timing.time_program(bundle, runtime, name, runtime.put(bundle.initial_state()), x)
        del row["program"]
        rows.append({"setting": bundle.root.name, "stage": stage, "way": way, **row})
    return rows
