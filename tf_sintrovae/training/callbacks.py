"""What happens around training: logs, checkpoints, images, rates, stopping."""

import pathlib
import signal
import time
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tf_sintrovae.training import divergence, history
from tf_sintrovae.training.averaging import WeightAverage
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.run_state import RunState

Logs = Mapping[str, Any] | None  # what Keras tells a callback: metrics by name


class Stopped(Exception):  # noqa: N818 - not an error: the user asked for it
    """Training was asked to stop and has saved a checkpoint."""


class LearningRates(keras.callbacks.Callback):
    """Divides all players' rates by 10 at each milestone.

    The rates follow from the number of steps since the start, which the optimizers do not know: their own
    counts start afresh at the hand-over.

    Args:
        rates: learning rates of encoder, decoder and prior at the start.
        milestones: optimizer steps at which the rates are divided.
        factor: function that gives a factor of all rates; called when training begins.
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
        self._divisions: int | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Takes the step from the model."""
        self._step = int(self.model.step.numpy())
        self._scale = self._factor()
        self._divisions = None

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Sets the rates if a milestone was passed."""
        divisions = sum(self._step >= milestone for milestone in self._milestones)
        if divisions != self._divisions:
            self._divisions = divisions
            for optimizer, rate in zip(self.model.optimizers, self._rates, strict=True):
                optimizer.learning_rate = rate * self._scale * 0.1**divisions

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Counts the steps of one call of the training function."""
        self._step += self.model.steps_per_execution


class AverageWeights(keras.callbacks.Callback):
    """Takes the weights into their averages after each call of the training function.

    Args:
        average: averages of the run's weights.
        state: state of the run, which tells when its stage or its prior changed.
    """

    def __init__(self, average: WeightAverage, state: RunState):
        super().__init__()
        self._average = average
        self._state = state

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begins anew after a change of the stage or the prior."""
        self._average.restart(self._state)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Updates the averages."""
        self._average.update()


class StopOnDivergence(keras.callbacks.Callback):
    """Ends training when a step's losses were not finite, which the model notes.

    Reading the note waits for the step, so that it is done now and then, and before anything is recorded.

    Args:
        seconds: least time between two looks within an epoch.
    """

    def __init__(self, seconds: float = 1.0):
        super().__init__()
        self._seconds = seconds
        self._looked_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Looks if it is time.

        Raises:
            DivergenceError: losses were not finite.
        """
        if time.monotonic() - self._looked_at >= self._seconds:
            self.on_epoch_end(None)

    def on_epoch_end(self, epoch: int | None, logs: Logs = None) -> None:
        """Looks.

        Raises:
            DivergenceError: losses were not finite.
        """
        divergence.check_losses(self.model)
        self._looked_at = time.monotonic()


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves at the ends of epochs, at most once in so many seconds, and when training stops.

    Args:
        checkpoints: checkpoints of the run.
        least_seconds: least time between two of them; 0 saves after every epoch.
        on_any: function of a flag that tells whether it is set on any worker: all of them save at one step.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        least_seconds: float,
        on_any: Callable[[bool], bool] = bool,
    ):
        super().__init__()
        self._checkpoints = checkpoints
        self._least_seconds = least_seconds
        self._on_any = on_any

    def on_epoch_end(self, epoch: int | None, logs: Logs = None) -> None:
        """Saves if it is time."""
        if self._on_any(time.monotonic() - self._checkpoints.saved_at >= self._least_seconds):
            self._checkpoints.save()

    def on_train_end(self, logs: Logs = None) -> None:
        """Saves the end of a stage."""
        self._checkpoints.save()


class EndTogether(keras.callbacks.Callback):
    """Ends training on all workers where one ends it early.

    Args:
        on_any: function of a flag that tells whether it is set on any worker.
    """

    def __init__(self, on_any: Callable[[bool], bool]):
        super().__init__()
        self._on_any = on_any

    def on_epoch_end(self, epoch: int | None, logs: Logs = None) -> None:
        """Asks the others."""
        self.model.stop_training = self._on_any(self.model.stop_training)


class StopOnSignal(keras.callbacks.Callback):
    """On Ctrl-C or SIGTERM, ends the step, saves, and raises `Stopped`; a second Ctrl-C ends at once.

    TensorFlow's `PreemptionCheckpointHandler` does the like over several workers, but it counts calls of its
    own, saves into a folder that all workers share, and knows neither stages nor what must not be saved. Here
    the request goes to the others with the next training step, by the model's `stop_requested`.

    Args:
        checkpoints: checkpoints of the run, to which it saves.
        shared: whether there are several workers: a signal to one of them stops all, at the same step.
    """

    def __init__(self, checkpoints: Checkpoints, shared: bool = False):
        super().__init__()
        self._checkpoints = checkpoints
        self._shared = shared
        self._asked: int | None = None
        self._previous: dict[int, Any] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        """Takes over the signals, unless an attempt that diverged has left them here."""
        if self._previous:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._ask)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Passes a request on to the other workers."""
        if self._shared and self._asked is not None:
            self.model.stop_requested.assign(1)

    def on_train_end(self, logs: Logs = None) -> None:
        """Gives the signals back.

        Raises:
            Stopped: a signal came after the last step; `SaveCheckpoints` has saved it.
        """
        if not self._shared:
            self.release()
            self.raise_if_asked()

    def raise_if_asked(self) -> None:
        """Ends a run whose training is over, if a signal came.

        Raises:
            Stopped: it did.
        """
        if self._asked is not None:
            raise Stopped(self._where())

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Stops after the step in which the signal came; an epoch's last step is left to `on_epoch_end`.

        Raises:
            Stopped: a signal came.
        """
        if batch + 1 < self.params["steps"]:
            self.on_epoch_end(None)

    def on_epoch_end(self, epoch: int | None, logs: Logs = None) -> None:
        """Stops after an epoch in whose last step the signal came, its means recorded.

        Raises:
            Stopped: a signal came.
            DivergenceError: a signal came, but what was to be saved is not finite.
        """
        if self._must_stop():
            self._checkpoints.save()
            self.release()
            raise Stopped(self._where())

    def release(self) -> None:
        """Gives the signals back, if they were taken."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _must_stop(self) -> bool:
        return bool(self.model.stop_requested.numpy()) if self._shared else self._asked is not None

    def _where(self) -> str:
        return f"stopped at step {int(self.model.step.numpy())}"

    def _ask(self, number: int, frame: types.FrameType | None) -> None:
        self._asked = number
        signal.signal(signal.SIGINT, signal.default_int_handler)


class History(keras.callbacks.Callback):
    """Appends each epoch's means to a file, one JSON object a line.

    Args:
        path: path of the file; lines of epochs that a resumed run repeats stand twice, the later one holds.
    """

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes a line."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        line = {"epoch": epoch + 1, "step": int(self.model.step.numpy()), "stage": self.model.stage}
        history.append(self._path, line | values)
