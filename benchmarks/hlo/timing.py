"""Times the steps of an export."""

import time
from typing import Any

import jax

from benchmarks.hlo import device
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.plan import Plan
from benchmarks.hlo.runtime import Batches, Runtime

_WARM_UP = 3


def time_steps(
    bundle: Bundle, runtime: Runtime, batches: Batches, calls: int
) -> list[dict[str, Any]]:
    """Times the step of each stage.

    Returns:
        A row a program: milliseconds of a step that is waited for (median) and of steps in a row, the memory
        that the program needs, its floating-point operations, and their share of the card's peak.
    """
    plan = Plan.from_meta(bundle.meta)
    state, rows = runtime.put(bundle.initial_state()), []
    for name, first in plan.steps.items():
        for change in plan.changes_at(first):
            state, _ = runtime.run(change, state)

        def step(k, name=name):
            nonlocal state
            state, values = runtime.run(name, state, batches.at(k))
            return values

        compiled = runtime.compiled(name, state, batches.at(0))
        flops = bundle.meta["programs"][name]["flops"]
        rows.append({"program": name, **measure(step, calls), "MiB": device.program_mib(compiled)})
        rows[-1] |= device.share_of_peak(flops, rows[-1]["in a row ms"] / 1e3)
    return rows


def measure(step: Any, calls: int) -> dict[str, float]:
    """Milliseconds of a function of a number that starts work on the device, and returns what it gives."""
    for k in range(_WARM_UP):
        jax.block_until_ready(step(k))
    alone = []
    for k in range(calls):
        start = time.perf_counter()
        jax.block_until_ready(step(k))
        alone.append(time.perf_counter() - start)
    start = time.perf_counter()
    for k in range(calls):
        values = step(k)
    jax.block_until_ready(values)
    in_a_row = (time.perf_counter() - start) / calls
    alone.sort()
    return {"median ms": 1e3 * alone[calls // 2], "in a row ms": 1e3 * in_a_row}
