"""The graph of the training step, and where its time goes, for some steps."""

import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf


class Profile(keras.callbacks.Callback):
    """Records some training steps into a folder, in the place of what was recorded before.

    Args:
        folder: folder of the run of TensorBoard, which is made when the first of the steps begins.
        first: first step, counted from 1.
        last: last step; the end of a stage ends the recording earlier.
    """

    def __init__(self, folder: pathlib.Path, first: int, last: int):
        super().__init__()
        self._folder, self._first, self._last = folder, first, last
        self._step = 0
        self._writer: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Takes the step from the model."""
        self._step = int(self.model.step.numpy())

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begins if the next call has the first of the steps."""
        if self._step < self._first <= self._step + self.model.steps_per_execution:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._writer = tf.summary.create_file_writer(str(self._folder))
            tf.summary.trace_on(graph=True)
            tf.profiler.experimental.start(str(self._folder))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Ends after the last of the steps."""
        self._step += self.model.steps_per_execution
        if self._step >= self._last:
            self._end()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Ends with the stage."""
        self._end()

    def _end(self) -> None:
        if self._writer is not None:
            tf.profiler.experimental.stop()
            with self._writer.as_default():
                tf.summary.trace_export("train_step", step=self._step)
            self._writer.close()
            self._writer = None
