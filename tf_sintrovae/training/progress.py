"""The progress line of a run."""

import datetime
import shutil
import sys
import time
from collections.abc import Mapping

import keras

from tf_sintrovae.training.callbacks import Logs

_TERMINAL_SECONDS = 0.1  # between redrawn lines


class Progress(keras.callbacks.Callback):
    """One progress line for the whole run: step, losses, examples/s and time left.

    On a terminal the line is redrawn; in a file there is a new one now and then.

    Args:
        batch_size: number of examples in a step.
        total_steps: number of steps of the run.
        steps_per_epoch: number of steps in an epoch.
        file_seconds: least time between lines in a file.
    """

    def __init__(
        self, batch_size: int, total_steps: int, steps_per_epoch: int, file_seconds: float = 10.0
    ):
        super().__init__()
        self._batch_size = batch_size
        self._total_steps = total_steps
        self._steps_per_epoch = steps_per_epoch
        self._file_seconds = file_seconds
        self._marks: list[tuple[float, int]] = []  # (time, step) of the last few updates

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts the clock of a stage."""
        self._step = int(self.model.step.numpy())
        self._last_line = time.monotonic()
        self._marks = []

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Redraws or prints."""
        self._step += self.model.steps_per_execution
        now = time.monotonic()
        self._marks = [*self._marks[-20:], (now, self._step)]
        if len(self._marks) < 2:  # no rate yet; the first step's time is that of its compilation
            return
        terminal = sys.stdout.isatty()
        least_seconds = _TERMINAL_SECONDS if terminal else self._file_seconds
        if now - self._last_line >= least_seconds or self._step == self._total_steps:
            self._last_line = now
            self._print(logs or {}, terminal)

    def on_train_end(self, logs: Logs = None) -> None:
        """Leaves the redrawn line of a stage on the terminal."""
        if sys.stdout.isatty():
            print(flush=True)

    def _rate(self) -> float:
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return self._batch_size * (last - first) / max(end - start, 1e-9)

    def _print(self, logs: Mapping[str, float], terminal: bool) -> None:
        rate = self._rate()
        left = (self._total_steps - self._step) * self._batch_size / max(rate, 1e-9)
        epoch = -(-self._step // self._steps_per_epoch)
        losses = ", ".join(f"{name} {float(value):.4g}" for name, value in logs.items())
        line = (
            f"epoch {epoch}, step {self._step}/{self._total_steps}, {rate:,.0f} examples/s, "
            f"{datetime.timedelta(seconds=round(left))} left: {losses}"
        )
        if terminal:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps cannot be redrawn
            print(f"\r{line[:width]:{width}}", end="", flush=True)
        else:
            print(line, flush=True)
