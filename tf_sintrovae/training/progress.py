"""The progress line of a run."""

import datetime
import sys
import time
from collections.abc import Iterator, Mapping

import keras

from tf_sintrovae import terminal
from tf_sintrovae.training.callbacks import Logs

_TERMINAL_SECONDS = 0.1  # between redrawn lines
# What is told of a stage: its name, and the metrics that matter most in it.
_STAGES = {
    "vae": ("VAE", ("rec", "kl", "loss")),
    "introspective": ("introspective", ("rec", "kl", "kl_fake")),
}


class Progress(keras.callbacks.Callback):
    """One progress line for the whole run: stage, epoch, examples/s, time left, and three metrics.

    On a terminal the line is redrawn, as long as its width allows; in a file there is a new one now and then.
    All metrics are in the run's history.

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
        self._num_epochs = -(-total_steps // steps_per_epoch)
        self._file_seconds = file_seconds
        self._marks: list[tuple[float, int]] = []  # (time, step) of the last few updates

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts the clock of a stage."""
        self._step = int(self.model.step.numpy())
        self._last_line = time.monotonic()
        self._marks = []
        self._form = 0  # of the redrawn line, the place among its forms

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Redraws or prints."""
        self._step += self.model.steps_per_execution
        now = time.monotonic()
        self._marks = [*self._marks[-20:], (now, self._step)]
        if len(self._marks) < 2:  # no rate yet; the first step's time is that of its compilation
            return
        drawn = sys.stdout.isatty()
        least_seconds = _TERMINAL_SECONDS if drawn else self._file_seconds
        if now - self._last_line >= least_seconds or self._step == self._total_steps:
            self._last_line = now
            self._print(logs or {}, drawn)

    def on_train_end(self, logs: Logs = None) -> None:
        """Leaves the redrawn line of a stage on the terminal."""
        if sys.stdout.isatty():
            print(flush=True)

    def _rate(self) -> float:
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return self._batch_size * (last - first) / max(end - start, 1e-9)

    def _print(self, logs: Mapping[str, float], drawn: bool) -> None:
        forms = list(self._forms(logs))
        if not drawn:
            print(forms[0], flush=True)
            return
        # A line that was once too long stays short: one that changes its form all the time is hard to read.
        line = terminal.fit(forms[self._form :])
        self._form = forms.index(line)
        terminal.redraw(line, sys.stdout)

    def _forms(self, logs: Mapping[str, float]) -> Iterator[str]:
        """The line in ever shorter forms."""
        rate = self._rate()
        seconds = (self._total_steps - self._step) * self._batch_size / max(rate, 1e-9)
        left = f"{datetime.timedelta(seconds=round(seconds))} left"
        stage, names = _STAGES[self.model.stage]
        epoch = f"{-(-self._step // self._steps_per_epoch)}/{self._num_epochs}"
        metrics = _describe({n: logs[n] for n in names if n in logs} or logs)
        long = f"epoch {epoch} ({stage}), step {self._step}/{self._total_steps}, {rate:,.0f} examples/s"
        yield f"{long}, {left}: {', '.join(metrics)}"
        yield f"epoch {epoch} ({stage}), {rate:,.0f} examples/s, {left}: {', '.join(metrics)}"
        for count in range(len(metrics), 0, -1):
            yield f"{stage} {epoch}, {rate:,.0f}/s, {left}: {' '.join(metrics[:count])}"
        yield f"{stage} {epoch}, {left}"


def _describe(metrics: Mapping[str, float]) -> list[str]:
    """Three metrics at most, with three digits or all before the point."""
    values = [(name, float(value)) for name, value in metrics.items()]
    return [
        f"{name} {value:.0f}" if 100 <= abs(value) < 1e6 else f"{name} {value:.3g}"
        for name, value in values[:3]
    ]
