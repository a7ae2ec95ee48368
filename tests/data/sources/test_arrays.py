"""Data in memory: order, resuming, sharding, checks."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.errors import UserError

N, BATCH = 53, 8
STEPS = N // BATCH


@pytest.fixture(scope="module")
def source():
    x = np.arange(N, dtype=np.float32)[:, None] * np.ones((1, 4), np.float32)
    return ArraySource("numbers", x, np.arange(N) % 5, x[:7], np.arange(7) % 5)


def take(source, count, **kwargs):
    """The numbers in each batch, [count, rows]; the labels must go with them."""
    rows = []
    options = {"batch_size": BATCH, "seed": 3, **kwargs}
    for x, y in itertools.islice(source.train_batches(**options), count):
        number = x.numpy()[:, 0].astype(int)
        np.testing.assert_array_equal(y, number % 5)
        rows.append(number)
    return np.stack(rows)


def test_an_epoch_holds_each_example_at_most_once_and_drops_the_rest(source):
    assert source.steps_per_epoch(BATCH) == STEPS == 6
    for epoch in np.split(take(source, 5 * STEPS), 5):
        assert len(set(epoch.ravel())) == STEPS * BATCH


def test_epochs_and_seeds_differ_and_a_seed_repeats(source):
    first = take(source, 2 * STEPS)
    np.testing.assert_array_equal(first, take(source, 2 * STEPS))
    assert not np.array_equal(first[:STEPS], first[STEPS:])
    assert not np.array_equal(first, take(source, 2 * STEPS, seed=4))


@pytest.mark.parametrize("start", [1, STEPS - 1, STEPS, 2 * STEPS + 3])
def test_a_batch_does_not_depend_on_where_the_stream_was_started(source, start):
    whole = take(source, start + STEPS + 2)
    np.testing.assert_array_equal(take(source, STEPS + 2, start_step=start), whole[start:])


def test_starting_a_million_epochs_in_is_immediate(source):
    assert take(source, 1, start_step=STEPS * 10**6 + 2).shape == (1, BATCH)


def test_workers_share_each_global_batch(source):
    shards = [take(source, 9, num_shards=4, shard=i, start_step=2) for i in range(4)]
    np.testing.assert_array_equal(np.concatenate(shards, 1), take(source, 9, start_step=2))


def test_the_global_seed_has_no_say(source):
    before = take(source, 8)
    tf.random.set_seed(99)
    np.testing.assert_array_equal(take(source, 8), before)


def test_the_order_is_as_random_as_a_permutation():
    """Batch means over 200 epochs vary as draws without replacement do (within 4 standard errors)."""
    n, batch = 60, 20
    numbers = np.arange(n, dtype=np.float32)
    source = ArraySource("line", numbers[:, None])
    stream = itertools.islice(source.train_batches(batch, seed=0), 600)
    epochs = np.stack([x.numpy()[:, 0] for x, _ in stream]).reshape(200, n)
    means = epochs[:, :batch].mean(-1)
    expected = numbers.var(ddof=1) / batch * (1 - batch / n)
    assert abs(means.var(ddof=1) / expected - 1) < 4 * np.sqrt(2 / 199)
    successive = [np.corrcoef(a, b)[0, 1] for a, b in itertools.pairwise(epochs)]
    assert abs(np.mean(successive)) < 4 / np.sqrt(199 * (n - 1))


def test_distribution_strategies_leave_the_sharding_alone(source):
    policy = source.train_batches(BATCH, 0).options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF


def test_uint8_is_stored_and_comes_out_as_float32_in_0_1():
    x = np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1)
    source = ArraySource("bytes", x, x_test=x)
    assert source._splits["train"].x is x
    expected = np.arange(256, dtype=np.float64).reshape(x.shape) / 255
    np.testing.assert_allclose(source.examples("train").x, expected, rtol=1e-7)
    batch = np.sort(np.ravel(next(iter(source.train_batches(16, 0)))[0]))
    np.testing.assert_allclose(batch, expected.ravel(), rtol=1e-7)
    assert batch.dtype == np.float32 and batch[-1] == 1


def test_images_of_other_integers_are_held_as_uint8():
    source = ArraySource("wide", np.full((4, 2, 2, 1), 51, np.int64))
    assert source._splits["train"].x.dtype == np.uint8
    np.testing.assert_allclose(source.examples("train").x, 0.2, rtol=1e-6)


def test_examples_and_batches_agree_in_stored_order(source):
    for limit in (None, 20):
        x, y = source.examples("train", limit, seed=1)
        parts = list(source.batches("train", BATCH, limit, seed=1))
        assert [len(part.x) for part in parts[:-1]] == [BATCH] * (len(parts) - 1)
        np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), x)
        np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), y)
        assert len(x) == (limit or N) and (np.diff(x[:, 0]) > 0).all()
    assert x.dtype == np.float32 and y.dtype == np.int32


def test_some_examples_are_a_seeded_sample_with_all_classes():
    x, y = np.arange(300.0)[:, None], np.repeat(np.arange(3), 100)
    for labels in (y, None):
        source = ArraySource("sorted", x, labels, x, labels)
        chosen = [source.examples("test", 30, seed).x[:, 0] for seed in (0, 0, 1)]
        np.testing.assert_array_equal(chosen[0], chosen[1])
        assert not np.array_equal(chosen[0], chosen[2])
        if labels is not None:
            assert np.bincount((chosen[0] // 100).astype(int)).tolist() == [10, 10, 10]


def test_without_labels_all_are_zero_and_there_are_no_classes():
    source = ArraySource("plain", np.zeros((9, 3), np.float64))
    assert source.num_classes == 0 and source.class_names == () and not source.is_image
    assert source.examples("train").y.tolist() == [0] * 9
    assert source.examples("train").x.dtype == np.float32


def test_held_out_is_a_seeded_tenth():
    x, y = np.arange(40)[:, None] / 40, np.arange(40)
    x_train, y_train, x_test, y_test = held_out(x, y, seed=1)
    assert len(x_test) == 4 and sorted([*y_train, *y_test]) == list(range(40))
    np.testing.assert_array_equal(x_test[:, 0] * 40, y_test)
    np.testing.assert_array_equal(x_train[:, 0] * 40, y_train)
    np.testing.assert_array_equal(held_out(x, y, seed=1)[3], y_test)
    assert not np.array_equal(held_out(x, y, seed=2)[3], y_test)
    assert held_out(x, None, seed=1)[1] is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": np.zeros((4, 2), np.int64)}, "dtype int64, which are not images: exp"),
        ({"x_train": np.full((4, 2), np.nan)}, "not images, holds 8 values that are NaN"),
        ({"x_train": np.full((4, 2, 2, 1), np.nan)}, "16 values that are NaN"),
        ({"x_train": np.full((4, 2, 2, 1), 255.0)}, "from 255.0 to 255.0: expected floats from 0"),
        ({"x_train": np.zeros((4, 2)), "x_test": np.zeros((4, 3))}, r"\(2,\).*\(3,\)"),
        ({"x_train": np.zeros((4, 2)), "y_train": np.zeros(3, int)}, r"\(3,\) for 4 examples"),
        ({"x_train": np.zeros((2, 2)), "y_train": np.array([0, -1])}, "from -1 to 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(UserError, match=message):
        ArraySource("mine", **arrays)


def test_too_few_examples_for_a_batch_are_refused(source):
    with pytest.raises(UserError, match="53 training examples, fewer than batch_size=54"):
        source.train_batches(54, 0)


def test_a_missing_test_split_is_named():
    with pytest.raises(UserError, match="'mine' has no test examples"):
        ArraySource("mine", np.zeros((4, 2))).examples("test")


# Fingerprints ---------------------------------------------------------------------------------------


def random_images(count=40, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 4, 4, 1), np.uint8), np.arange(count) % 3


def test_a_fingerprint_is_of_the_values_that_training_sees():
    x, y = random_images()
    whole = ArraySource("bytes", x, y).fingerprint()
    assert (whole["count"], whole["shape"]) == (40, [4, 4, 1])
    floats = ArraySource("floats", x / np.float32(255), y)
    assert floats.fingerprint() == whole


def test_other_examples_labels_counts_and_shapes_have_other_fingerprints():
    x, y = random_images()
    sources = [
        ArraySource("as it is", x, y),
        ArraySource("an example more", *random_images(41)),
        ArraySource("another order", x[::-1], y[::-1]),
        ArraySource("other labels", x, (y + 1) % 3),
        ArraySource("other values", *random_images(seed=1)),
        ArraySource("another shape", x.reshape(40, 2, 8, 1), y),
    ]
    found = {str(source.fingerprint()) for source in sources}
    assert len(found) == len(sources)


def test_a_fingerprint_sees_the_end_of_large_data():
    x = np.zeros((5000, 1), np.float32)
    before = ArraySource("rows", x).fingerprint()
    x[4000:] = 1.0
    assert ArraySource("rows", x).fingerprint() != before
