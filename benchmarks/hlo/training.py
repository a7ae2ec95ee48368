"""Trains an export: its stages one after the other, stopped and resumed at any step."""

import signal
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.errors import ExportError
from benchmarks.hlo.folder import TrainingFolder, step_name
from benchmarks.hlo.plan import Plan
from benchmarks.hlo.runtime import Batches, Runtime, State, reset_metrics

STEPS_AHEAD = 16  # that Python may be ahead of the device


class Clock:
    """Says when to stop: at a time, or after Ctrl-C or SIGTERM.

    Args:
        end: time of the monotonic clock, in seconds; None for no end.
    """

    def __init__(self, end: float | None):
        self._end = end
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def is_over(self) -> bool:
        """Whether to stop now."""
        return self._asked or (self._end is not None and time.monotonic() >= self._end)

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True


class Training:
    """A training from where it was left.

    Args:
        bundle: the export.
        runtime: its programs.
        folder: where state and losses are kept.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, folder: TrainingFolder):
        self._plan = Plan.from_meta(bundle.meta)
        self._runtime, self._folder = runtime, folder
        settings = bundle.settings
        self._batches = Batches(bundle.examples(), settings["batch_size"], settings["seed"])
        saved = folder.read()
        self._state = runtime.put(bundle.initial_state() if saved is None else saved)
        self.step = int(self._state[step_name(self._state)])

    @property
    def is_complete(self) -> bool:
        """Whether the end of the plan is reached."""
        return self.step >= self._plan.total

    def compile(self) -> None:
        """Compiles all programs that are to come."""
        changes, steps = self._plan.remaining(self.step)
        for name in changes:
            self._runtime.compiled(name, self._state)
        for name in steps:
            self._runtime.compiled(name, self._state, self._batches.at(self.step))

    def run(
        self,
        clock: Clock,
        progress: Callable[[int, dict], None],
        save_seconds: float,
        until_step: int | None = None,
    ) -> None:
        """Trains until the end of the plan or of the time, and saves.

        Args:
            clock: says when to stop.
            progress: function called with the step and the means of the epoch at its end.
            save_seconds: least time between two saves.
            until_step: step to stop at in any case.

        Raises:
            ExportError: losses are not finite; what is saved is from before.
        """
        saved = time.monotonic()
        last = self._plan.total if until_step is None else min(until_step, self._plan.total)
        while self.step < last and not clock.is_over():
            values = self._take_step()
            if self._plan.ends_epoch(self.step):
                self._end_epoch(values, progress)
                if time.monotonic() - saved >= save_seconds:
                    self._save()
                    saved = time.monotonic()
        self._save()

    def _take_step(self) -> State:
        plan = self._plan
        for name in plan.changes_at(self.step):
            self._state, _ = self._runtime.run(name, self._state)
        if self.step in plan.milestones:
            rates = plan.rates_at(self.step).items()
            self._state |= {name: jax.device_put(np.float32(rate)) for name, rate in rates}
        batch = self._batches.at(self.step)
        name = plan.program_at(self.step)
        self._state, values = self._runtime.run(name, self._state, batch)
        self.step += 1
        if self.step % STEPS_AHEAD == 0:
            jax.block_until_ready(values)
        return values

    def _end_epoch(self, values: State, progress: Callable[[int, dict], None]) -> None:
        means = {name: float(value) for name, value in values.items()}
        if not np.isfinite(list(means.values())).all():
            raise ExportError(
                f"losses at step {self.step} are not finite; what is saved is from before"
            )
        epoch = self.step // self._plan.steps_per_epoch
        stage = self._plan.stage_at(self.step - 1)
        self._folder.record({"epoch": epoch, "step": self.step, "stage": stage, **means})
        self._state = reset_metrics(self._state)
        progress(self.step, means)

    def _save(self) -> None:
        diverged = next(v for n, v in self._state.items() if n.endswith("/diverged"))
        if int(diverged[1]):  # a bit for each loss that was not
            raise ExportError(
                f"losses were not finite first at step {int(diverged[0])}; what is saved is from before"
            )
        state = jax.device_get(self._state)
        self._folder.save({name: np.asarray(value) for name, value in state.items()})
