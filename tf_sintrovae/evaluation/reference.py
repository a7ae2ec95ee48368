"""The real images that samples are compared with, and others as real to tell what distance is none."""

from collections.abc import Iterator

import numpy as np

from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.data.subsets import choose_rows
from tf_sintrovae.evaluation.feature_networks.network import to_uint8

_READ_BATCH = 500


class Reference:
    """Training images for comparison, each class in its share: some to compare, two disjoint halves.

    Where the data hold twice as many images as are compared, a half is as large as what is compared, and
    the first half is that; else the halves are those of all training images.

    Args:
        source: data set of images.
        num_images: greatest number of images to compare.
        seed: seed of the choice.

    Attributes:
        pixels: [P, H, W, C] uint8 pixels, of the images that are compared and those of both halves.
        compared: [N] row numbers in `pixels` of the images to compare.
        halves: two sets of [P // 2] row numbers, which share none.
    """

    def __init__(self, source: Source, num_images: int, seed: int):
        self._source, self._seed, self._limit = source, seed, 2 * num_images
        batches = [(to_uint8(x), y) for x, y in self._batches()]
        self.pixels, labels = map(np.concatenate, zip(*batches, strict=True))
        size = len(labels)
        self.compared = choose_rows(labels, size, num_images, seed)
        first = choose_rows(labels, size, size // 2, seed)
        self.halves = first, np.setdiff1d(np.arange(size), first)[: len(first)]

    @property
    def num_batches(self) -> int:
        """Number of batches that `compared_batches` gives, at most."""
        return -(-len(self.pixels) // _READ_BATCH)

    def compared_batches(self) -> Iterator[np.ndarray]:
        """Reads the images to compare [B, H, W, C] float32 as the data set holds them, in batches."""
        wanted, start = np.isin(np.arange(len(self.pixels)), self.compared), 0
        for x, _ in self._batches():
            chosen = x[wanted[start : start + len(x)]]
            start += len(x)
            if len(chosen):
                yield chosen

    def _batches(self) -> Iterator[Examples]:
        return self._source.batches("train", _READ_BATCH, self._limit, self._seed)
