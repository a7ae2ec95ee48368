"""Times the steps of an export."""

from typing import Any

import jax

from benchmarks.hlo import device, stopwatch
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.plan import Plan
from benchmarks.hlo.runtime import Batches, Runtime, State


def time_steps(
    bundle: Bundle, runtime: Runtime, batches: Batches, calls: int
) -> list[dict[str, Any]]:
    """A row for the step of each stage of a run, as `time_program` gives it."""
    plan = Plan.from_meta(bundle.meta)
    state, rows = runtime.put(bundle.initial_state()), []
    for name, first in plan.steps.items():
        for change in plan.changes_at(first):
            state, _ = runtime.run(change, state)
        row, state = time_program(bundle, runtime, name, state, batches.at(0), calls)
        rows.append(row)
    return rows


def time_program(
    bundle: Bundle, runtime: Runtime, name: str, state: State, x: jax.Array, calls: int = 50
) -> tuple[dict[str, Any], State]:
    """Times a program that is a step.

    Returns:
        A row with milliseconds of a step that is waited for (median) and of steps in a row, the memory that
        the program needs, its floating-point operations and their share of the card's peak; the new state.
    """

    def step():
        nonlocal state
        state, values = runtime.run(name, state, x)
        return values

    times = stopwatch.time_calls(step, jax.block_until_ready, calls)
    flops = bundle.meta["programs"][name]["flops"]
    share = device.share_of_peak(flops, times["in a row ms"] / 1e3)
    mib = device.program_mib(runtime.compiled(name, state, x))
    return {"program": name, **times, "MiB": mib, **share}, state
