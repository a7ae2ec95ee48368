"""Where the time of some training steps goes, and the graph of a step."""

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
        batch_size: number of examples in a step.
    """

    def __init__(self, folder: pathlib.Path, first: int, last: int, batch_size: int):
        super().__init__()
        self._folder, self._first, self._last = folder, first, last
        self._batch_size = batch_size
        self._step = 0
        self._records = False

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Takes the step from the model; a recording that a divergence has left ends."""
        self._end()
        self._step = int(self.model.step.numpy())

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begins if the next call has the first of the steps."""
        if self._step < self._first <= self._step + self.model.steps_per_execution:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._write_graph()
            tf.profiler.experimental.start(str(self._folder))
            self._records = True

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Ends after the last of the steps."""
        self._step += self.model.steps_per_execution
        if self._step >= self._last:
            self._end()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Ends with the stage."""
        self._end()

    def _end(self) -> None:
        if self._records:
            tf.profiler.experimental.stop()
            self._records = False

    def _write_graph(self) -> None:
        """Writes the step's graph, traced anew; of several replicas none may trace alone."""
        model = self.model
        if model.distribute_strategy.num_replicas_in_sync > 1:
            return
        x = tf.TensorSpec((self._batch_size, *model.example_shape), tf.float32, name="x")
        graph = tf.function(model.train_step).get_concrete_function(x).graph
        writer = tf.summary.create_file_writer(str(self._folder))
        with writer.as_default():
            tf.summary.graph(graph)
        writer.close()
