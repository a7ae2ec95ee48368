"""Data sets too big for memory, read from disk."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tf_sintrovae.data import subsets
from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.data.sources import pipelines

# Examples, still compressed, among which the next one is drawn. TFDS has shuffled them all once.
_SHUFFLE_BUFFER = 10_000
_READ_BATCH = 256
_LABEL_BATCH = 4096


@dataclasses.dataclass(frozen=True)
class StoredSplit:
    """Stored examples of a split.

    Attributes:
        stored: stored examples `(encoded image, label)` in a fixed order, cheap to read and to skip.
        size: number of examples.
        decode: function from an element of `stored` to `(x [*shape] uint8, y int32)`.
    """

    stored: tf.data.Dataset
    size: int
    decode: Callable

    def batches(self, batch_size: int, rows: np.ndarray | None = None) -> Iterator[Examples]:
        """Reads batches in stored order, x as uint8; the last may hold fewer examples.

        Args:
            batch_size: examples in a batch.
            rows: [N] row numbers of the examples to decode, in increasing order; None for all of them.
        """
        stored = self.stored if rows is None else self._select(rows)
        decoded = stored.map(self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = pipelines.untuned(decoded.batch(batch_size).prefetch(1))
        for x, y in batches.as_numpy_iterator():
            yield Examples(x, y)

    def labels(self) -> np.ndarray:
        """The label of each example [size] int32; no image is decoded."""
        batches = pipelines.untuned(self.stored.map(lambda _, y: y).batch(_LABEL_BATCH))
        return np.concatenate(list(batches.as_numpy_iterator()))

    def _select(self, rows: np.ndarray) -> tf.data.Dataset:
        """The stored examples of these numbers; the others are skipped before they are decoded."""
        wanted = np.zeros(self.size, bool)
        wanted[rows] = True
        numbered = tf.data.Dataset.from_tensor_slices(wanted), self.stored
        selected = tf.data.Dataset.zip(*numbered).filter(lambda is_wanted, _: is_wanted)
        return selected.map(lambda _, example: example).take(len(rows))

    def read(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """The whole split, `x [N, *shape]` uint8 and `y [N]` int32, decoded into memory once."""
        x, y = np.empty((self.size, *shape), np.uint8), np.empty(self.size, np.int32)
        start = 0
        for batch in self.batches(_READ_BATCH):
            rows = slice(start, start + len(batch.x))
            x[rows], y[rows] = batch
            start = rows.stop
        return x, y


class StreamSource(Source):
    """A data set whose batches are decoded as they are needed.

    The order differs from epoch to epoch by a shuffle of a window of examples, not of all of them.
    To resume within an epoch, the examples before are read, but not decoded.

    Args:
        name: name of the data set.
        train: stored training examples.
        test: stored test examples.
        shape: shape of one example, `(H, W, C)`.
        class_names: names of the labels; none without labels.
    """

    num_train: int

    def __init__(
        self,
        name: str,
        train: StoredSplit,
        test: StoredSplit,
        shape: tuple[int, ...],
        class_names: tuple[str, ...],
    ):
        self.name = name
        self.shape = shape
        self.class_names = class_names
        self.num_classes = len(class_names)
        self.num_train = train.size
        self._splits = {"train": train, "test": test}
        self._read_labels: dict[str, np.ndarray] = {}

    def steps_per_epoch(self, batch_size: int) -> int:
        """See `Source`."""
        return self.num_train // batch_size

    def train_batches(
        self, batch_size: int, seed: int, start_step: int = 0, num_shards: int = 1, shard: int = 0
    ) -> tf.data.Dataset:
        """See `Source`."""
        pipelines.require_batch(self, batch_size)
        train, mine = self._splits["train"], pipelines.shard_rows(batch_size, num_shards, shard)

        def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            # This function's graph alone: the order is of `seed` and epoch, whatever TensorFlow's global
            # seed, and with a global seed of 0 `shuffle` takes no tensor for its own.
            tf.random.set_seed(1)
            mixed = tf.random.stateless_uniform(
                [], [seed, epoch], minval=None, maxval=None, dtype=tf.int64, alg="philox"
            )
            order = train.stored.shuffle(_SHUFFLE_BUFFER, mixed, reshuffle_each_iteration=False)
            return order.batch(batch_size, drop_remainder=True)

        stored = pipelines.resume(epoch_batches, self.steps_per_epoch(batch_size), start_step)
        decoded = (
            stored.map(lambda encoded, y: (encoded[mine], y[mine]))
            .unbatch()
            .map(train.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        )
        return pipelines.finish(
            decoded.batch(batch_size // num_shards, drop_remainder=True),
            lambda x, y: (pipelines.to_float(x), y),
        )

    def examples(self, split: str, limit: int | None = None, seed: int = 0) -> Examples:
        """See `Source`; without a limit all of it must fit memory as float32."""
        parts = list(self.batches(split, _READ_BATCH, limit, seed))
        xs, ys = zip(*parts, strict=True)
        return Examples(np.concatenate(xs), np.concatenate(ys))

    def batches(
        self, split: str, batch_size: int, limit: int | None = None, seed: int = 0
    ) -> Iterator[Examples]:
        """See `Source`."""
        stored, rows = self._splits[split], None
        if limit is not None and limit < stored.size:
            rows = subsets.choose_rows(self._labels(split), stored.size, limit, seed)
        for x, y in stored.batches(batch_size, rows):
            yield Examples(x.astype(np.float32) / np.float32(255), y)

    def _labels(self, split: str) -> np.ndarray | None:
        """The labels of a split [N], read once; None without classes, which saves the reading."""
        if self.num_classes < 2:
            return None
        if split not in self._read_labels:
            self._read_labels[split] = self._splits[split].labels()
        return self._read_labels[split]

    def _fingerprint_examples(self) -> Examples:
        """See `Source`; in stored order, so that no more is read than that."""
        return next(self.batches("train", _READ_BATCH, _READ_BATCH))
