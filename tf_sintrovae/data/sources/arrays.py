"""Data sets that fit memory."""

import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tf_sintrovae.data import ranges, subsets
from tf_sintrovae.data.formats import pixels
from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.data.sources import array_checks, pipelines
from tf_sintrovae.errors import UserError

_FINGERPRINT_EXAMPLES = 1000


class ArraySource(Source):
    """A data set held in NumPy arrays, a user's own for example.

    Images of integers are held as uint8 and become float32 in [0, 1] (divided by 255) batch by
    batch; floats are held as float32. An epoch is a fresh permutation of the training
    split, without the last partial batch.

    Example: `ArraySource("mine", *held_out(images, labels))`.
    """

    num_train: int

    def __init__(
        self,
        name: str,
        x_train: np.ndarray,
        y_train: np.ndarray | None = None,
        x_test: np.ndarray | None = None,
        y_test: np.ndarray | None = None,
        class_names: tuple[str, ...] | None = None,
    ):
        """Wraps arrays.

        Args:
            name: name of the data set.
            x_train: [N, H, W, C] images, integers from 0 to 255 or floats from 0 to 1; or floats of
                any other shape [N, ...], which are not images.
            y_train: [N] integer labels from 0 on; None without labels.
            x_test: [M, *shape] test examples of the same kind; None without a test split.
            y_test: [M] integer labels of the test split.
            class_names: names of the labels; by default the labels as text.

        Raises:
            UserError: dtypes or values are wrong, or shapes do not match.
        """
        x_test = x_train[:0] if x_test is None else x_test
        if x_train.shape[1:] != x_test.shape[1:]:
            raise UserError(
                f"data set {name!r}: training examples of shape {x_train.shape[1:]} and test "
                f"examples of shape {x_test.shape[1:]} differ: give both the same shape"
            )
        found = 0 if class_names else array_checks.count_classes(name, y_train, y_test)
        self.name = name
        self.shape = tuple(x_train.shape[1:])
        self.class_names = tuple(class_names or map(str, range(found)))
        self.num_classes = len(self.class_names)
        self.num_train = len(x_train)
        if self.is_image:
            pixels.warn_of_bits(x_train, f"data set {name!r}")
        self._splits = {
            "train": array_checks.check_split(name, x_train, y_train, self.num_classes),
            "test": array_checks.check_split(name, x_test, y_test, self.num_classes),
        }

    @functools.cached_property
    def plot_range(self) -> ranges.PlotRange | None:  # type: ignore[override]  # read only, on demand
        """The part of the plane that the training points span; None where they have not two coordinates."""
        return ranges.fit(self._splits["train"].x) if self.shape == (2,) else None

    def steps_per_epoch(self, batch_size: int) -> int:
        """See `Source`."""
        return self.num_train // batch_size

    def train_batches(
        self, batch_size: int, seed: int, start_step: int = 0, num_shards: int = 1, shard: int = 0
    ) -> tf.data.Dataset:
        """See `Source`."""
        pipelines.require_batch(self, batch_size)
        steps, mine = (
            self.steps_per_epoch(batch_size),
            pipelines.shard_rows(batch_size, num_shards, shard),
        )
        x, y = self._train_tensors

        def epoch_order(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(self.num_train, dtype=tf.int64), [seed, epoch], alg="philox"
            )
            order = tf.reshape(order[: steps * batch_size], [steps, batch_size])
            return tf.data.Dataset.from_tensor_slices(order[:, mine])

        def batch(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return pipelines.to_float(tf.gather(x, index)), tf.gather(y, index)

        return pipelines.finish(pipelines.resume(epoch_order, steps, start_step), batch)

    def examples(self, split: str, limit: int | None = None, seed: int = 0) -> Examples:
        """See `Source`."""
        x, y = self._choose(split, limit, seed)
        return Examples(_to_float_numpy(x), y)

    def batches(
        self, split: str, batch_size: int, limit: int | None = None, seed: int = 0
    ) -> Iterator[Examples]:
        """See `Source`; only one batch at a time is held as float32."""
        x, y = self._choose(split, limit, seed)
        for start in range(0, len(x), batch_size):
            rows = slice(start, start + batch_size)
            yield Examples(_to_float_numpy(x[rows]), y[rows])

    def _fingerprint_examples(self) -> Examples:
        """See `Source`; from everywhere in the training split, which lies in memory."""
        x, y = self._splits["train"]
        some = np.random.default_rng(0).permutation(len(x))[:_FINGERPRINT_EXAMPLES]
        return Examples(_to_float_numpy(x[some]), y[some])

    @functools.cached_property
    def _train_tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        # On the CPU, whatever device is the default: the GPU's memory is for the model.
        with tf.device("CPU:0"):
            return tuple(map(tf.constant, self._splits["train"]))

    def _choose(self, split: str, limit: int | None, seed: int) -> Examples:
        """Examples of a split as they are stored; not copied where all are asked for."""
        x, y = self._splits[split]
        if not len(x):
            raise UserError(f"data set {self.name!r} has no {split} examples: give some")
        if limit is None or limit >= len(x):
            return Examples(x, y)
        rows = subsets.choose_rows(y, len(x), limit, seed)
        return Examples(x[rows], y[rows])


def held_out(
    x: np.ndarray, y: np.ndarray | None = None, seed: int = 0, fraction: float = 0.1
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Splits examples at random into training and test, in the order of `ArraySource`.

    Args:
        x: [N, ...] examples.
        y: [N] labels, or None.
        seed: seed of the split, from 0 on.
        fraction: share of the examples that go into the test split.

    Returns:
        `(x_train, y_train, x_test, y_test)`, each split in stored order.

    Raises:
        UserError: there are fewer than two examples.
    """
    if len(x) < 2:
        raise UserError(
            f"data of shape {list(x.shape)} cannot be split into training and test: give at least two "
            "examples, [N, ...]"
        )
    shuffled = np.random.default_rng(seed).permutation(len(x))
    num_test = max(1, round(fraction * len(x)))
    test, train = np.sort(shuffled[:num_test]), np.sort(shuffled[num_test:])
    if y is None:
        return x[train], None, x[test], None
    return x[train], y[train], x[test], y[test]


def _to_float_numpy(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == np.float32 else x.astype(np.float32) / np.float32(255)
