"""Numbers as unevaluated sums of two float32: 45 bits or so, without float64.

The sum and the product of two float32 are sums of two float32 exactly (Dekker, 1971; Knuth, TAOCP 2, 4.2.2).
A compiler may fuse a product with a sum and round once instead of twice, which would break the usual product:
factors are therefore cut into halves of 12 bits by their bit patterns, so that every product whose rounding
matters is exact, fused or not. XLA does not reassociate sums of floating-point numbers.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

# Sign, exponent and the upper 12 of the 24 significant bits of a float32.
_UPPER_HALF = -(2**12)
# The natural logarithm of 2 in parts: two of 12 bits, whose products with exponents are exact, and the rest.
_LOG_2 = (0xB17 / 2**12, 0x217F / 2**28, math.log(2.0) - 0xB17 / 2**12 - 0x217F / 2**28)
# Arguments below which `exp` is 0, and from which on it stays the same.
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = -87.0, 88.0
# The exponential series is summed at an eighth of its argument, which is log(2) / 2 at most: halvings, terms
# that need pairs, and all that matter.
_SQUARINGS, _PAIRED_TERMS, _TERMS = 3, 4, 9


class Pair(NamedTuple):
    """A number, high + low, as two float32 tensors of one shape.

    Attributes:
        high: the number to 24 bits.
        low: what is missing, a few ulps of `high` at most; half of one where a sum was made last.
    """

    high: tf.Tensor
    low: tf.Tensor

    @property
    def value(self) -> tf.Tensor:
        """The number rounded to float32."""
        return self.high + self.low


def pair(high: tf.Tensor) -> Pair:
    """A float32 as a pair."""
    return Pair(high, tf.zeros_like(high))


def constant(value: float) -> Pair:
    """A Python number as a pair of scalars."""
    high = np.float32(value)
    return Pair(tf.constant(high), tf.constant(np.float32(value - float(high))))


def each_part(function: Callable[[tf.Tensor], tf.Tensor], x: Pair) -> Pair:
    """Both parts under a function that only moves elements, such as a transpose."""
    return Pair(function(x.high), function(x.low))


def hold(x: Pair) -> Pair:
    """The same numbers, which XLA computes once, before what uses them: loops would make them every time."""
    return Pair(*xla.optimization_barrier(*x))


def two_sum(a: tf.Tensor, b: tf.Tensor) -> Pair:
    """The sum of two float32, exactly."""
    total = a + b
    moved = total - a
    return Pair(total, (a - (total - moved)) + (b - moved))


def add(a: Pair, b: Pair) -> Pair:
    """The sum of two pairs."""
    total = two_sum(a.high, b.high)
    return _normalise(total.high, total.low + (a.low + b.low))


def negate(x: Pair) -> Pair:
    """The number with its sign changed."""
    return Pair(-x.high, -x.low)


def subtract(a: Pair, b: Pair) -> Pair:
    """The difference of two pairs."""
    return add(a, negate(b))


def scale(x: Pair, power_of_two: float) -> Pair:
    """The number times a power of two, exactly."""
    return Pair(x.high * power_of_two, x.low * power_of_two)


def multiply(a: Pair, b: Pair) -> Pair:
    """The product of two pairs."""
    (a1, a2), (b1, b2) = _halves(a.high), _halves(b.high)
    first = _normalise(a1 * b1, a1 * b2)
    second = _normalise(first.high, a2 * b1)
    low = (first.low + second.low) + (a2 * b2 + (a.high * b.low + a.low * b.high))
    return Pair(second.high, low)


def square(x: Pair) -> Pair:
    """The number times itself."""
    upper, lower = _halves(x.high)
    product = _normalise(upper * upper, 2 * (upper * lower))
    return Pair(product.high, product.low + (lower * lower + 2 * (x.high * x.low)))


def reciprocal(x: Pair) -> Pair:
    """One divided by the number: one step of Newton's from float32."""
    guess = 1 / x.high
    rest = subtract(constant(1.0), multiply(x, pair(guess)))
    return _normalise(guess, guess * rest.value)


def exp(x: Pair) -> Pair:
    """The exponential function, relative to the result; 0 below -87, and above 88 what it is there."""
    high = tf.clip_by_value(x.high, _LOWEST_EXPONENT, _HIGHEST_EXPONENT)
    low = tf.where(high == x.high, x.low, 0.0)
    exponent = tf.round(high * (1 / math.log(2.0)))
    rest = two_sum(high - exponent * _LOG_2[0], -(exponent * _LOG_2[1]))
    rest = _normalise(rest.high, rest.low + (low - exponent * _LOG_2[2]))
    power = tf.bitcast(tf.bitwise.left_shift(tf.cast(exponent, tf.int32) + 127, 23), tf.float32)
    power = tf.where(x.high < _LOWEST_EXPONENT, 0.0, power)
    result = _exp_series(rest)
    return Pair(result.high * power, result.low * power)


def maximum(a: Pair, b: Pair) -> Pair:
    """The larger of two numbers."""
    larger = (a.high > b.high) | ((a.high == b.high) & (a.low > b.low))
    return Pair(tf.where(larger, a.high, b.high), tf.where(larger, a.low, b.low))


def reduce_max(x: Pair, axis: int) -> Pair:
    """The largest of numbers along an axis."""
    high = tf.reduce_max(x.high, axis, keepdims=True)
    low = tf.where(x.high == high, x.low, x.low.dtype.min)
    return Pair(tf.squeeze(high, axis), tf.reduce_max(low, axis))


def reduce_sum(terms: Sequence[Pair], axis: int) -> list[Pair]:
    """Sums of several pairs along an axis, in one reduction, for programs that XLA compiles.

    Args:
        terms: pairs of one shape.
        axis: dimension that is summed over.
    """
    parts = [part for term in terms for part in term]
    sums = xla.variadic_reduce(parts, [tf.constant(0.0)] * len(parts), [axis], _adder(len(terms)))
    return [_normalise(*sums[i : i + 2]) for i in range(0, len(sums), 2)]


def _adder(count: int) -> tf.types.experimental.ConcreteFunction:
    """The function of 2 * 2 * count scalars that adds pairs; parts are normalised when all are added."""

    @tf.function(autograph=False)
    def add_parts(*parts):
        sums: list[tf.Tensor] = []
        for i in range(0, 2 * count, 2):
            (a, a_low), (b, b_low) = parts[i : i + 2], parts[2 * count + i : 2 * count + i + 2]
            total = two_sum(a, b)
            sums += [total.high, total.low + (a_low + b_low)]
        return tuple(sums)

    return add_parts.get_concrete_function(*[tf.TensorSpec([], tf.float32)] * (4 * count))


def _normalise(high: tf.Tensor, low: tf.Tensor) -> Pair:
    """The pair of a number and a smaller one (a sum exact where |high| >= |low|)."""
    total = high + low
    return Pair(total, low - (total - high))


def _halves(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A float32 as the sum of two numbers of 12 significant bits."""
    bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int32), _UPPER_HALF)
    upper = tf.bitcast(bits, tf.float32)
    return upper, x - upper


def _exp_series(x: Pair) -> Pair:
    """The exponential function of |x| <= log(2) / 2: that of a part of it, squared again and again.

    By Horner's rule, in pairs where the rounding of float32 would be seen.
    """
    part = scale(x, 2.0**-_SQUARINGS)
    coefficients = [1 / math.factorial(i) for i in range(_TERMS)]
    tail = tf.zeros_like(part.high)
    for coefficient in reversed(coefficients[_PAIRED_TERMS:]):
        tail = (tail + coefficient) * part.high
    *others, last = map(constant, coefficients[:_PAIRED_TERMS])
    result = add(last, pair(tail))
    for coefficient in reversed(others):
        result = add(coefficient, multiply(result, part))
    for _ in range(_SQUARINGS):
        result = _normalise(*square(result))
    return result
