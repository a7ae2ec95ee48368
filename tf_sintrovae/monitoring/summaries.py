"""What TensorBoard shows of a run as it goes on: scalars, histograms of the prior, pictures, latents."""

import logging
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.image import metadata as images
from tensorboard.util import tensor_util

from tf_sintrovae.evaluation.metrics.components import component_use
from tf_sintrovae.monitoring import event_files, names
from tf_sintrovae.monitoring.event_files import EventFile, Value
from tf_sintrovae.monitoring.prior_use import PriorUse
from tf_sintrovae.reporting import explanations

_log = logging.getLogger(__name__)

# Points of a series in the course of a run. TensorBoard keeps 1,000 numbers and 10 pictures of each, and a
# random choice of more.
MOST_SCALARS = 1000
MOST_HISTOGRAMS = 25
MOST_PICTURES = 10
_MOST = {
    histograms.PLUGIN_NAME: MOST_HISTOGRAMS,
    images.PLUGIN_NAME: MOST_PICTURES,
    custom_scalars.PLUGIN_NAME: 0,  # each start writes its own
}


class Summaries(keras.callbacks.Callback):
    """Writes the event file of a run, at ends of epochs.

    Args:
        folder: folder of the event file.
        draw: function that gives named pictures [H, W, 3] uint8 of the model as it is.
        observe: function that gives the state of the prior.
        project: function that writes the latents for the projector.
        batch_size: number of examples in a step.
        num_epochs: number of epochs of the run, by which the points are spread evenly.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        draw: Callable[[], Mapping[str, np.ndarray]],
        observe: Callable[[], PriorUse],
        project: Callable[[], None],
        batch_size: int,
        num_epochs: int,
    ):
        super().__init__()
        self._folder = folder
        self._draw, self._observe, self._project = draw, observe, project
        self._batch_size, self._num_epochs = batch_size, num_epochs
        self._file: EventFile | None = None
        self._newest = 0  # step of the last points
        self._has_failed = False
        self._clock = _Clock()

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Opens the file; what a resumed run, or one that went back, repeats is forgotten."""
        step = int(self.model.step.numpy())
        if self._file is None or step < self._newest:
            if self._file is not None:
                self._file.close()
            self._file = event_files.rewind(self._folder, step, most_points)
            self._file.add(0, [_layout()])
        self._newest = step

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._clock = _Clock()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Counts the steps of one call of the training function."""
        self._clock.count(self.model.steps_per_execution)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes what is due.

        Raises:
            OSError: the file cannot be written.
        """
        assert self._file is not None
        self._newest = int(self.model.step.numpy())
        values = []
        if self._is_due(epoch, MOST_SCALARS):
            values += self._scalars(logs or {})
        if self._is_due(epoch, MOST_HISTOGRAMS):
            values += self._attempt(lambda: prior_values(self._observe()))
        if self._is_due(epoch, MOST_PICTURES):
            values += self._attempt(lambda: pictures(self._draw()))
            self._attempt(lambda: self._project() or [])
        self._file.add(self._newest, values)

    def _is_due(self, epoch: int, most: int) -> bool:
        """Whether the epoch is one of at most `most` that are evenly spread, the last among them."""
        left = self._num_epochs - 1 - epoch
        return left % -(-self._num_epochs // most) == 0

    def _scalars(self, logs: Mapping[str, Any]) -> list[Value]:
        values = [
            event_files.scalar(
                names.scalar_name(name), float(value), explanations.CURVES.get(name, "")
            )
            for name, value in logs.items()
        ]
        for player, optimizer in zip(names.PLAYERS, self.model.optimizers, strict=True):
            rate = float(optimizer.learning_rate.numpy())
            values.append(event_files.scalar(f"learning_rate/{player}", rate))
        speed = self._clock.steps_per_second()
        if speed is not None:
            values.append(event_files.scalar(names.EXAMPLES_PER_SECOND, speed * self._batch_size))
        return values

    def _attempt(self, make: Callable[[], list[Value]]) -> list[Value]:
        """What `make` gives; nothing where it fails, which is told once: the run is worth more."""
        try:
            return make()
        except Exception as error:
            if not self._has_failed:
                reason = " ".join(str(error).split()) or type(error).__name__
                _log.warning("TensorBoard gets no pictures, the run goes on: %s", reason)
            self._has_failed = True
            return []


def prior_values(use: PriorUse) -> list[Value]:
    """Histograms of a prior, and the numbers of its inactive components."""
    counts = component_use(use.responsibilities.mean(axis=0), use.weights)
    return [
        event_files.histogram(names.WEIGHTS, use.weights, "weights of the components"),
        event_files.histogram(
            names.LOG_VARIANCES,
            use.log_variances,
            "log-variances of all components and latent dimensions",
        ),
        event_files.histogram(
            names.RESPONSIBILITIES,
            use.responsibilities,
            "responsibilities of all components for test examples: 0 and 1 where each has one",
        ),
        event_files.scalar(names.INACTIVE, counts["inactive_components"], "weight under 1/K²"),
        event_files.scalar(
            names.INACTIVE_BY_RESPONSIBILITY,
            counts["inactive_components_by_responsibility"],
            "mean responsibility for test examples under 1/K²",
        ),
    ]


def pictures(drawn: Mapping[str, np.ndarray]) -> list[Value]:
    """Pictures [H, W, 3] uint8 of a model in training, by name."""
    return [event_files.image(f"{names.PICTURES}/{name}", pixels) for name, pixels in drawn.items()]


def most_points(value: Value) -> int:
    """The greatest number of points that are kept of the series of a value when training starts again."""
    return _MOST.get(value.metadata.plugin_data.plugin_name, MOST_SCALARS)


class _Clock:
    """Measures the speed within an epoch, without its first call, which may compile, if there are more."""

    def __init__(self):
        self._begin = time.monotonic()
        self._first: tuple[float, int] | None = None  # time and steps after the first call
        self._last, self._steps = self._begin, 0

    def count(self, steps: int) -> None:
        """Notes that a call has ended."""
        self._last = time.monotonic()
        self._steps += steps
        if self._first is None:
            self._first = (self._last, self._steps)

    def steps_per_second(self) -> float | None:
        """The speed; None where no time has passed."""
        begin, before = self._begin, 0
        if self._first is not None and self._first[1] < self._steps:
            begin, before = self._first
        seconds = self._last - begin
        return (self._steps - before) / seconds if seconds > 0 else None


def _layout() -> Value:
    """The page of custom scalars, of which TensorBoard takes the last."""
    content = np.array(names.layout().SerializeToString(), object)
    return Summary.Value(
        tag=custom_scalars.CONFIG_SUMMARY_TAG,
        metadata=custom_scalars.create_summary_metadata(),
        tensor=tensor_util.make_tensor_proto(content),
    )
