"""Compares the first steps with what TensorFlow computed of them.

Each step begins at the state that TensorFlow began it at: where a gradient is all but zero, Adam's first
updates follow the sign of its rounding, and what differs in rounding alone would soon be somewhere else.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.hlo import probes
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.runtime import Batches, Runtime, State, reset_metrics


def check(bundle: Bundle, runtime: Runtime, batches: Batches) -> list[dict[str, Any]]:
    """Runs what the export ran through TensorFlow.

    Returns:
        A row an event: `program`, `step`, `losses` and `state`, the largest relative differences of a loss
        and of a variable, and `variable`, which one that is.
    """
    expected, rows = bundle.expected(), []
    state, step = runtime.put(bundle.initial_state()), 0
    for i, (kind, name) in enumerate(bundle.meta["events"]):
        if kind == "restart":
            state, step = runtime.put(bundle.initial_state()), 0
            continue
        before = bundle.state_before(i)
        if before is not None:
            state = runtime.put(before)
        inputs = [batches.at(step)] if kind == "step" else []
        state, values = runtime.run(name, reset_metrics(state), *inputs)
        rows.append({"program": name, "step": step, **_compare(state, values, expected, f"{i}/")})
        step += kind == "step"
    return rows


def _compare(
    state: State, values: State, expected: Mapping[str, np.ndarray], prefix: str
) -> dict[str, Any]:
    losses = [
        _relative(float(value), float(expected[f"{prefix}{name}"]))
        for name, value in values.items()
    ]
    state_errors = {
        name: probes.difference(probes.probe(np.asarray(value)), expected[f"{prefix}state/{name}"])
        for name, value in state.items()
        if f"{prefix}state/{name}" in expected
    }
    worst = max(state_errors, key=state_errors.__getitem__)
    return {
        "losses": float(np.max(losses, initial=0.0)),
        "state": state_errors[worst],
        "variable": worst,
    }


def _relative(found: float, expected: float) -> float:
    return abs(found - expected) / max(abs(expected), 1e-12)
