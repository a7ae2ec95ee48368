"""What the input pipelines of all data sets share."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError

# End of the ranges that stand for endless ones.
LAST = np.iinfo(np.int64).max
_BATCHES_AHEAD = 2


def finish(elements: tf.data.Dataset, batch: Callable) -> tf.data.Dataset:
    """Ends a pipeline as all of them end: batches are computed in parallel and in order, ahead of need.

    Args:
        elements: elements that batches are computed from, step numbers for example.
        batch: pure, traceable function from an element to `(x, y)`.

    Returns:
        A dataset of `(x, y)`; distribution strategies leave its sharding alone.
    """
    dataset = elements.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return untuned(dataset.prefetch(_BATCHES_AHEAD)).with_options(options)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Keeps TensorFlow from tuning a pipeline while it runs.

    The thread that does so may miss that the pipeline is given up, for TensorFlow wakes it before it sets the
    flag that the thread looks at. It then sleeps on, for as long as the pipeline has run and up to a minute,
    and whoever has given up the pipeline, as each stage of training does at its end, waits for it: seen on
    busy machines only. Nothing is lost: what is computed in parallel takes all of TensorFlow's threads.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def resume(
    epoch_batches: Callable[[tf.Tensor], tf.data.Dataset], steps: int, start_step: int
) -> tf.data.Dataset:
    """The epochs of finite data, one after the other without end, from a step on.

    Args:
        epoch_batches: traceable function from the number of an epoch to its batches.
        steps: batches in an epoch.
        start_step: number of batches already taken.
    """
    epochs = tf.data.Dataset.range(start_step // steps, LAST)
    return epochs.flat_map(epoch_batches).skip(start_step % steps)


def shard_rows(batch_size: int, num_shards: int, shard: int) -> slice:
    """The rows of a global batch that belong to one of `num_shards` pipelines."""
    rows = batch_size // num_shards
    return slice(shard * rows, (shard + 1) * rows)


def require_batch(source: Source, batch_size: int) -> None:
    """Refuses data that do not fill a single batch.

    Args:
        source: a finite data set.
        batch_size: examples in a global batch.

    Raises:
        UserError: it has fewer training examples than that.
    """
    if source.num_train is not None and source.num_train < batch_size:
        raise UserError(
            f"data set {source.name!r} has {source.num_train} training examples, fewer than "
            f"batch_size={batch_size}: lower batch_size"
        )


def to_float(x: tf.Tensor) -> tf.Tensor:
    """Pixels as float32 in [0, 1]; float32 examples are returned as they are."""
    return x if x.dtype == tf.float32 else tf.cast(x, tf.float32) / 255.0
