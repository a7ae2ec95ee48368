"""The runner's order of examples is the project's own."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.hlo import shuffle
from tf_sintrovae.data.sources.arrays import ArraySource


@pytest.mark.parametrize(
    ("size", "seed", "epoch"), [(1, 0, 0), (2, 0, 1), (10, 3, 7), (1437, 0, 0), (5000, 12345, 219)]
)
def test_order_is_tensorflows(size, seed, epoch):
    expected = tf.random.experimental.stateless_shuffle(tf.range(size), [seed, epoch], alg="philox")
    np.testing.assert_array_equal(shuffle.epoch_order(size, seed, epoch), expected)


def test_batches_are_the_pipelines():
    x = np.arange(23, dtype=np.float32)[:, np.newaxis]
    batches = ArraySource("numbers", x).train_batches(4, seed=5, start_step=7).take(4)
    for step, (batch, _) in enumerate(batches.as_numpy_iterator(), start=7):
        epoch, k = divmod(step, 5)
        rows = shuffle.epoch_order(23, 5, epoch)[4 * k : 4 * k + 4]
        np.testing.assert_array_equal(batch, x[rows])


def test_philox_gives_the_published_words():
    """Known answers of Random123 for Philox-4x32-10: counters and keys of zeros and of ones."""
    ones = np.full((1, 4), 0xFFFFFFFF, np.uint64)
    zeros = shuffle.philox(np.zeros((1, 4), np.uint64), np.zeros(2, np.uint64))[0]
    assert list(map(hex, zeros)) == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    full = shuffle.philox(ones, ones[0, :2])[0]
    assert list(map(hex, full)) == ["0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]
