"""Pairs of float32 against float64, compiled by XLA."""

import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.kernels import pairs
from tf_sintrovae.kernels.pairs import Pair

SIZE = 20_000
# A few of a pair's last bits.
ROUNDING = 2.0**-45


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def as_pair(values):
    high = np.float32(values)
    return Pair(tf.constant(high), tf.constant(np.float32(values - high)))


def as_float64(pair):
    return np.float64(pair.high) + np.float64(pair.low)


def numbers(rng, size=SIZE):
    """Numbers of many magnitudes that pairs hold exactly."""
    return as_float64(as_pair(rng.normal(size=size) * 10.0 ** rng.uniform(-3, 3, size)))


def call(function, *arguments):
    """A function of pairs as XLA compiles it, of float64 arrays."""
    compiled = tf.function(function, jit_compile=True, autograph=False)
    return as_float64(compiled(*map(as_pair, arguments)))


def test_two_sum_is_exact(rng):
    a, b = (np.float32(numbers(rng)) for _ in range(2))
    total = tf.function(pairs.two_sum, jit_compile=True)(a, b)
    np.testing.assert_array_equal(as_float64(total), np.float64(a) + np.float64(b))


def test_products_keep_their_bits(rng):
    a, b = numbers(rng), numbers(rng)
    np.testing.assert_allclose(call(pairs.multiply, a, b), a * b, rtol=ROUNDING)
    np.testing.assert_allclose(call(pairs.square, a), a * a, rtol=ROUNDING)
    np.testing.assert_allclose(call(pairs.reciprocal, a), 1 / a, rtol=2 * ROUNDING)


def test_products_that_cancel_keep_their_bits(rng):
    """A sum that rounds with a product in one instruction would lose half of them."""
    a, b = numbers(rng), numbers(rng)

    def difference(a, b):
        return pairs.subtract(pairs.multiply(a, b), pairs.multiply(b, pairs.square(a)))

    error = np.abs(call(difference, a, b) - (a * b - b * a**2))
    np.testing.assert_array_less(error, 4 * ROUNDING * (np.abs(a * b) + np.abs(b) * a**2))


def test_sums_keep_their_bits(rng):
    a, b = numbers(rng), -numbers(rng)
    error = np.abs(call(pairs.add, a, b) - (a + b))
    np.testing.assert_array_less(error, ROUNDING * (np.abs(a) + np.abs(b)))


def test_exponentials(rng):
    x = as_float64(as_pair(rng.uniform(-60, 60, SIZE)))
    error = np.abs(call(pairs.exp, x) / np.exp(x) - 1)
    np.testing.assert_array_less(error, ROUNDING * (4 + 0.25 * np.abs(x)))  # x itself is rounded


def test_ends_of_the_exponential():
    x = np.array([0.0, -86.9, -88.0, -1e37, 100.0, np.nan])
    values = call(pairs.exp, x)
    assert values[0] == 1
    np.testing.assert_allclose(values[1], np.exp(-86.9), rtol=1e-6)
    np.testing.assert_array_equal(values[2:4], 0)
    np.testing.assert_allclose(values[4], np.exp(88.0), rtol=1e-6)
    assert np.isnan(values[5])


def test_reductions_keep_what_float32_loses(rng):
    """A million numbers that nearly cancel."""
    x = rng.normal(size=(500_000, 2))
    x = as_float64(as_pair(np.concatenate([x, -x * (1 + 1e-7)])))
    total = call(lambda x: pairs.reduce_sum([x], axis=0)[0], x)
    error = np.abs(total - x.sum(0))
    np.testing.assert_array_less(error, 8 * ROUNDING * np.abs(x).sum(0))
    assert np.all(np.abs(total) > 100 * error)


def test_largest_by_both_parts():
    high = np.float64([[1.0, 1.0, 0.5], [-2.0, -2.0, -3.0]])
    x = high + np.array([[1e-9, 2e-9, 0.0], [-1e-9, -2e-9, 0.0]])
    x = as_float64(as_pair(x))
    np.testing.assert_array_equal(call(lambda x: pairs.reduce_max(x, 1), x), x.max(1))
    np.testing.assert_array_equal(call(pairs.maximum, x[0], x[1]), x[0])
    np.testing.assert_array_equal(
        call(pairs.maximum, x[0], x[0][::-1].copy()), np.maximum(x[0], x[0][::-1])
    )
