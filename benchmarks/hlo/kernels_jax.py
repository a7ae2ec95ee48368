"""Measures the compiled kernel programs against the same in plain JAX."""

import functools
from typing import Any

import jax
import numpy as np

from benchmarks.hlo import device, mixtures_jax, stopwatch
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.kernel_cases import Reference, Size, compared_rows, problem
from benchmarks.hlo.runtime import Runtime

# Numbers N * K * L that the reference may have in memory at once.
_BLOCK_NUMBERS = 2**24
_RESULTS = ("log_prob", "grad_z", "grad_loc", "grad_logvar", "grad_logits")


def measure(bundle: Bundle, size: Size) -> list[dict[str, Any]]:
    """A row for the kernel, and one for plain JAX: milliseconds, MiB, errors, part of the card's bound."""
    arguments = problem(size)
    reference = Reference(bundle.root, size)
    if not reference.exists():
        block = max(1, _BLOCK_NUMBERS // (size.K * size.L))
        reference.write(mixtures_jax.reference(arguments, compared_rows(size), block))
    on_device = [jax.device_put(argument) for argument in arguments]
    runtime = Runtime(bundle)
    kernel = runtime.compiled(size.name, {}, *on_device)

    def run_kernel():
        _, values = runtime.run(size.name, {}, *on_device)
        return [values[name] for name in _RESULTS]

    plain = jax.jit(mixtures_jax.with_gradients(mixtures_jax.log_prob)).lower(*on_device).compile()
    ways = {"kernel": (kernel, run_kernel), "plain JAX": (plain, lambda: plain(*on_device))}
    return [
        {"size": size.name, "way": way}
        | stopwatch.unless_out_of_memory(
            functools.partial(_measure, size, compiled, run, reference)
        )
        for way, (compiled, run) in ways.items()
    ]


def _measure(size: Size, compiled: Any, run: Any, reference: Reference) -> dict[str, Any]:
    times = stopwatch.time_calls(run, jax.block_until_ready)
    share = device.share_of_peak(size.flops, times["in a row ms"] / 1e3)
    return {
        **times,
        "MiB": device.program_mib(compiled),
        "of float32 peak": share["of float32 peak"],
        **reference.errors([np.asarray(value) for value in run()]),
    }
