"""The interface that every data set fits."""

import abc
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.ranges import PlotRange

_FINGERPRINT_EXAMPLES = 256


class Examples(NamedTuple):
    """A finite set of labelled examples in memory.

    Attributes:
        x: [N, *shape] float32; images in [0, 1], channels last.
        y: [N] int32 class labels; all zero where the data set has none.
    """

    x: np.ndarray
    y: np.ndarray


class Source(abc.ABC):
    """A data set as training and evaluation see it.

    docs/data.md tells how to add one.

    Attributes:
        name: name of the data set, as the flag `dataset` gives it.
        shape: shape of one example: `(D,)` for points, `(2,)` for plane densities, `(H, W, C)` for images.
        num_classes: number of distinct labels; 0 without labels.
        class_names: names of the labels, for figures and reports.
        num_train: number of training examples, or None for an endless stream.
        plot_range: the part of the plane that figures and histograms of examples `(2,)` span; None for
            examples of any other shape.
        centres: [C, 2] centres of the known modes of a density in the plane; None where none are known.
        radii: [C] radii of the known rings around the origin; None where none are known.
    """

    name: str
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    num_train: int | None
    plot_range: PlotRange | None = None
    centres: np.ndarray | None = None
    radii: np.ndarray | None = None

    @property
    def is_image(self) -> bool:
        """Whether examples are images `[H, W, C]` with pixels in [0, 1]."""
        return len(self.shape) == 3

    @property
    def value_limits(self) -> tuple[float, float] | None:
        """Limits to which decoded values are clipped: those of pixels for images."""
        return (0.0, 1.0) if self.is_image else None

    @abc.abstractmethod
    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of full batches in an epoch (an endless stream counts 100)."""

    @abc.abstractmethod
    def train_batches(
        self, batch_size: int, seed: int, start_step: int = 0, num_shards: int = 1, shard: int = 0
    ) -> tf.data.Dataset:
        """Endless training batches from step `start_step` on.

        Batch `s` depends on `(seed, s)` alone, never on where the stream was started, so that a resumed run
        sees exactly what an uninterrupted one would have. With `num_shards > 1` every element is the
        `shard`-th contiguous slice of the global batch.

        Args:
            batch_size: examples in a global batch; a multiple of `num_shards`.
            seed: seed of the order or of the noise.
            start_step: number of optimizer steps already taken.
            num_shards: number of input pipelines (workers) that share a global batch.
            shard: index of this pipeline among them.

        Returns:
            A dataset of `(x [B / num_shards, *shape] float32, y [B / num_shards] int32)`, prefetched.

        Raises:
            UserError: fewer examples than `batch_size`.
        """

    @abc.abstractmethod
    def examples(self, split: str, limit: int | None = None, seed: int = 0) -> Examples:
        """Examples for evaluation.

        Args:
            split: name of the split, `'train'` or `'test'`.
            limit: greatest number of examples. Finite data give a sample in stored order in which each class
                has its share (`subsets.choose_rows`). An endless stream draws exactly `limit` (5,000 when
                None), reproducibly from `(seed, split)`.
            seed: seed of the choice or of the draw.
        """

    def batches(
        self, split: str, batch_size: int, limit: int | None = None, seed: int = 0
    ) -> Iterator[Examples]:
        """The same examples as `examples(split, limit, seed)` in the same order, a batch at a time.

        Args:
            split: name of the split, `'train'` or `'test'`.
            batch_size: examples in a batch; the last one may hold fewer.
            limit: greatest number of examples in all; None for all of them.
            seed: seed of the choice or of the draw.

        Yields:
            `Examples` of up to `batch_size` rows.
        """
        x, y = self.examples(split, limit, seed)
        for start in range(0, len(x), batch_size):
            yield Examples(x[start : start + batch_size], y[start : start + batch_size])

    def fingerprint(self) -> dict[str, Any]:
        """Identifies the training data by their content, as JSON; where the files lie does not matter.

        Returns:
            `count` of the training examples (None: endless), `shape` of one, and `content`, a SHA-256 of some
            examples and their labels. Pixels count as what training sees, so that uint8 and the same
            values as floats are equal.
        """
        x, y = self._fingerprint_examples()
        digest = hashlib.sha256(np.ascontiguousarray(x, "<f4").tobytes())
        digest.update(np.ascontiguousarray(y, "<i4").tobytes())
        return {
            "count": self.num_train,
            "shape": list(self.shape),
            "content": digest.hexdigest(),
        }

    def _fingerprint_examples(self) -> Examples:
        """The first stored examples, which are cheap to have; of an endless stream, a seeded draw."""
        return self.examples("train", _FINGERPRINT_EXAMPLES)
