"""Measures the compiled kernel programs against the same in float32 and in plain JAX."""

import functools
from collections.abc import Callable
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
    """A row for each way: milliseconds, MiB, errors, part of the card's bound.

    The kernel; its formulas in float32 without pairs; the density in JAX, differentiated by JAX.
    """
    arguments = problem(size)
    reference = Reference(bundle.root, size)
    if not reference.exists():
        block = max(1, _BLOCK_NUMBERS // (size.K * size.L))
        reference.write(mixtures_jax.reference(arguments, compared_rows(size), block))
    on_device = [jax.device_put(argument) for argument in arguments]
    ways = {
        "kernel": functools.partial(_kernel, bundle, size, on_device),
        "plain float32": functools.partial(_jitted, mixtures_jax.log_prob_and_gradients, on_device),
        "plain JAX": functools.partial(
            _jitted, mixtures_jax.with_gradients(mixtures_jax.log_prob), on_device
        ),
    }
    return [
        {"size": size.name, "way": way}
        | stopwatch.unless_out_of_memory(functools.partial(_measure, size, make, reference))
        for way, make in ways.items()
    ]


def _kernel(bundle: Bundle, size: Size, arguments: list[jax.Array]) -> tuple[Any, Callable]:
    """The compiled program of the bundle, and a function that runs it."""
    runtime = Runtime(bundle)

    def run():
        _, values = runtime.run(size.name, {}, *arguments)
        return [values[name] for name in _RESULTS]

    return runtime.compiled(size.name, {}, *arguments), run


def _jitted(function: Callable, arguments: list[jax.Array]) -> tuple[Any, Callable]:
    """A function of JAX, compiled, and a function that runs it."""
    compiled = jax.jit(function).lower(*arguments).compile()
    return compiled, lambda: compiled(*arguments)


def _measure(
    size: Size, make: Callable[[], tuple[Any, Callable]], reference: Reference
) -> dict[str, Any]:
    compiled, run = make()
    times = stopwatch.time_calls(run, jax.block_until_ready)
    share = device.share_of_peak(size.flops, times["in a row ms"] / 1e3)
    return {
        **times,
        "MiB": device.program_mib(compiled),
        "of float32 peak": share["of float32 peak"],
        **reference.errors([np.asarray(value) for value in run()]),
    }
