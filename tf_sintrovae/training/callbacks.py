"""What happens around training: progress, logs, checkpoints, pictures, rates, stopping."""

import datetime
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae.training import divergence, history
from tf_sintrovae.training.checkpoints import Checkpoints

_TERMINAL_SECONDS = 0.1  # between redrawn lines


class Stopped(Exception):  # noqa: N818 - not an error: the user asked for it
    """Training was asked to stop and has saved a checkpoint."""


class LearningRates(keras.callbacks.Callback):
    """Divides all players' rates by 10 at each milestone.

    The rates follow from the number of steps since the start, which the optimizers do not know: their own
    counts start afresh at the hand-over.

    Args:
        rates: of encoder, decoder and prior at the start.
        milestones: optimizer steps.
        factor: gives what all rates are multiplied by; asked when training begins.
    """

    def __init__(
        self,
        rates: Sequence[float],
        milestones: Sequence[int],
        factor: Callable[[], float] = lambda: 1.0,
    ):
        super().__init__()
        self._rates = rates
        self._factor = factor
        self._milestones = milestones
        self._step = 0
        self._divisions = None

    def on_train_begin(self, logs=None):
        """Takes the step from the model."""
        self._step = int(self.model.step.numpy())
        self._scale = self._factor()
        self._divisions = None

    def on_train_batch_begin(self, batch, logs=None):
        """Sets the rates if a milestone was passed."""
        divisions = sum(self._step >= milestone for milestone in self._milestones)
        if divisions != self._divisions:
            self._divisions = divisions
            for optimizer, rate in zip(self.model.optimizers, self._rates, strict=True):
                optimizer.learning_rate = rate * self._scale * 0.1**divisions

    def on_train_batch_end(self, batch, logs=None):
        """Counts the steps of one call of the training function."""
        self._step += self.model.steps_per_execution


class StopOnDivergence(keras.callbacks.Callback):
    """Ends training when a step's losses were not finite, which the model notes.

    Reading the note waits for the step, so that it is done now and then, and before anything is recorded.

    Args:
        seconds: between two looks within an epoch.
    """

    def __init__(self, seconds: float = 1.0):
        super().__init__()
        self._seconds = seconds
        self._looked_at = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Looks if it is time.

        Raises:
            DivergenceError: losses were not finite.
        """
        if time.monotonic() - self._looked_at >= self._seconds:
            self.on_epoch_end(None)

    def on_epoch_end(self, epoch, logs=None):
        """Looks.

        Raises:
            DivergenceError: losses were not finite.
        """
        divergence.check_losses(self.model)
        self._looked_at = time.monotonic()


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves at the ends of epochs, at most once in so many seconds, and when training stops.

    Args:
        checkpoints: where to.
        least_seconds: between two of them; 0 saves after every epoch.
    """

    def __init__(self, checkpoints: Checkpoints, least_seconds: float):
        super().__init__()
        self._checkpoints = checkpoints
        self._least_seconds = least_seconds

    def on_epoch_end(self, epoch, logs=None):
        """Saves if it is time."""
        if time.monotonic() - self._checkpoints.saved_at >= self._least_seconds:
            self._checkpoints.save()

    def on_train_end(self, logs=None):
        """Saves the end of a stage."""
        self._checkpoints.save()


class StopOnSignal(keras.callbacks.Callback):
    """On Ctrl-C or SIGTERM, ends the step, saves, and raises `Stopped`; a second Ctrl-C ends at once.

    Args:
        checkpoints: where to save.
    """

    def __init__(self, checkpoints: Checkpoints):
        super().__init__()
        self._checkpoints = checkpoints
        self._asked = None
        self._previous = {}

    def on_train_begin(self, logs=None):
        """Takes over the signals, unless an attempt that diverged has left them here."""
        if self._previous:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._ask)

    def on_train_end(self, logs=None):
        """Gives the signals back.

        Raises:
            Stopped: a signal came after the last step; `SaveCheckpoints` has saved it.
        """
        self.release()
        if self._asked is not None:
            raise Stopped(self._where())

    def on_train_batch_end(self, batch, logs=None):
        """Stops after the step in which the signal came; an epoch's last step is left to `on_epoch_end`.

        Raises:
            Stopped: a signal came.
        """
        if batch + 1 < self.params["steps"]:
            self.on_epoch_end(None)

    def on_epoch_end(self, epoch, logs=None):
        """Stops after an epoch in whose last step the signal came, its means recorded.

        Raises:
            Stopped: a signal came.
            DivergenceError: a signal came, but what was to be saved is not finite.
        """
        if self._asked is not None:
            self._checkpoints.save()
            self.release()
            raise Stopped(self._where())

    def release(self) -> None:
        """Gives the signals back, if they were taken."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _where(self) -> str:
        return f"stopped at step {int(self.model.step.numpy())}"

    def _ask(self, number, frame):
        self._asked = number
        signal.signal(signal.SIGINT, signal.default_int_handler)


class History(keras.callbacks.Callback):
    """Appends each epoch's means to a file, one JSON object a line.

    Args:
        path: the file; lines of epochs that a resumed run repeats stand twice, the later one holds.
    """

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch, logs=None):
        """Writes a line."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        line = {"epoch": epoch + 1, "step": int(self.model.step.numpy()), "stage": self.model.stage}
        history.append(self._path, line | values)


class Summaries(keras.callbacks.TensorBoard):
    """Scalars, all three learning rates, and pictures for TensorBoard.

    Args:
        folder: of the event files.
        pictures: gives named pictures [H, W, 3] uint8 of the model as it is.
        every: epochs between pictures.
    """

    def __init__(
        self, folder: pathlib.Path, pictures: Callable[[], dict[str, np.ndarray]], every: int
    ):
        super().__init__(str(folder), write_graph=False, write_steps_per_second=False)
        self._pictures = pictures
        self._every = every

    def on_epoch_end(self, epoch, logs=None):
        """Writes the scalars, and the pictures if it is time."""
        super().on_epoch_end(epoch, logs)
        with self._train_writer.as_default(step=epoch):
            for name, optimizer in zip(
                ("encoder", "decoder", "prior"), self.model.optimizers, strict=True
            ):
                tf.summary.scalar(f"learning_rate/{name}", optimizer.learning_rate.value)
            if (epoch + 1) % self._every == 0:
                for name, picture in self._pictures().items():
                    tf.summary.image(name, picture[np.newaxis])


class Progress(keras.callbacks.Callback):
    """One progress line for the whole run: step, losses, examples/s and time left.

    On a terminal the line is redrawn; in a file there is a new one now and then.

    Args:
        batch_size: examples in a step.
        total_steps: of the run.
        steps_per_epoch: to tell the epoch.
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
        self._marks = []  # (time, step) of the last few updates

    def on_train_begin(self, logs=None):
        """Starts the clock of a stage."""
        self._step = int(self.model.step.numpy())
        self._last_line = time.monotonic()
        self._marks = []

    def on_train_batch_end(self, batch, logs=None):
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

    def on_train_end(self, logs=None):
        """Leaves the redrawn line of a stage on the terminal."""
        if sys.stdout.isatty():
            print(flush=True)

    def _rate(self) -> float:
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return self._batch_size * (last - first) / max(end - start, 1e-9)

    def _print(self, logs, terminal: bool) -> None:
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
