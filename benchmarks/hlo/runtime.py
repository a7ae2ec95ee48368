"""Runs the programs of an export through JAX."""

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.export  # a module of its own
import jax.numpy as jnp
import numpy as np

from benchmarks.hlo import shuffle
from benchmarks.hlo.bundle import Bundle

jax.config.update("jax_enable_x64", True)  # counters are int64

State = dict[str, jax.Array]


class Runtime:
    """The programs of an export, each compiled when it is first needed.

    Args:
        bundle: the export.
    """

    def __init__(self, bundle: Bundle):
        self._bundle = bundle
        self._programs = bundle.meta["programs"]
        self._compiled: dict[str, Any] = {}

    def put(self, arrays: Mapping[str, np.ndarray]) -> State:
        """Moves the variables of the run to the device."""
        return {name: jax.device_put(arrays[name]) for name in self._bundle.meta["variables"]}

    def run(self, name: str, state: State, *inputs: jax.Array) -> tuple[State, State]:
        """Runs a program; what it changes of `state` is used up.

        Returns:
            The new state, and the values that the program gives, by name.
        """
        compiled = self.compiled(name, state, *inputs)
        updates, values = compiled(*self._arguments(name, state), inputs)
        return state | updates, values

    def compiled(self, name: str, state: State, *inputs: jax.Array) -> Any:
        """A program, compiled for the device."""
        if name not in self._compiled:
            start = time.monotonic()
            exported = jax.export.deserialize(bytearray(self._bundle.program(name)))
            step = jax.jit(exported.call, donate_argnums=0)
            lowered = step.lower(*self._arguments(name, state), inputs)
            self._compiled[name] = lowered.compile()
            print(f"compiled {name} in {time.monotonic() - start:.1f} s", flush=True)
        return self._compiled[name]

    def _arguments(self, name: str, state: State) -> tuple[State, State]:
        """The variables that a program changes, and those that it only reads."""
        program = self._programs[name]
        changed = set(program["updates"])
        variables = [key for key in program["inputs"] if key in state]
        return (
            {key: state[key] for key in variables if key in changed},
            {key: state[key] for key in variables if key not in changed},
        )


class Batches:
    """The batches of a run, gathered on the device, where all examples lie.

    Batch `s` is the one that the project's own pipeline gives at step `s`.

    Args:
        examples: [N, *shape] training examples.
        batch_size: number of examples in a batch.
        seed: seed of the run.
    """

    def __init__(self, examples: np.ndarray, batch_size: int, seed: int):
        self._examples = jax.device_put(examples)
        self._batch_size = batch_size
        self._seed = seed
        self._steps = len(examples) // batch_size
        self._pass: int | None = None
        self._gather = jax.jit(_rows, static_argnums=3)

    def at(self, step: int) -> jax.Array:
        """The batch [B, *shape] of a step."""
        number, k = divmod(step, self._steps)
        if number != self._pass:
            order = shuffle.epoch_order(len(self._examples), self._seed, number)
            self._order, self._pass = jax.device_put(order), number
        return self._gather(self._examples, self._order, k, self._batch_size)


def _rows(examples: jax.Array, order: jax.Array, k: int, size: int) -> jax.Array:
    return examples[jax.lax.dynamic_slice(order, (k * size,), (size,))]


def reset_metrics(state: State) -> State:
    """Lets the running means start afresh, as at the start of an epoch."""
    return {n: jnp.zeros_like(v) if n.startswith("metrics/") else v for n, v in state.items()}
