"""A mixture's joint log-density and its derivatives on pairs of float32: the arithmetic of GPUs.

Squares of differences are summed as they stand, without matrix products, and so are the moments about each
component's mean that make the gradients. All sums over samples, components and dimensions are reductions of
arrays [n, k, L] that XLA computes element by element where it adds them up, and never stores.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import pairs
from tf_sintrovae.kernels.blocks import cut
from tf_sintrovae.kernels.components import Upstream
from tf_sintrovae.kernels.pairs import Pair

# Stands for the logarithm of zero: the difference of two infinities would be NaN.
LOG_ZERO = -1e37

# Samples that are summed over in one go; the sums of blocks are summed after.
SUM_BLOCK = 256


class PairedComponents(NamedTuple):
    """A block of k components.

    Attributes:
        loc: [k, L] means.
        scale: [k, L] reciprocals of the standard deviations.
        log_peak: [k] log of weight times density at the mean, less the largest of all components'.
    """

    loc: tf.Tensor
    scale: Pair
    log_peak: Pair


class Moments(NamedTuple):
    """Sums over samples about the means of k components.

    Attributes:
        mass: [k] sums of the weights.
        first: [k, L] sums of weight times difference to the mean.
        second: [k, L] sums of weight times squared difference to the mean.
    """

    mass: Pair
    first: Pair
    second: Pair


def make_components(
    loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor
) -> tuple[PairedComponents, Pair]:
    """All K components of a mixture, and the scalar that was taken off their log peaks.

    Args:
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.
    """
    (log_volume,) = pairs.reduce_sum([pairs.pair(0.5 * logvar)], axis=1)  # [K]
    log_peak = pairs.subtract(pairs.pair(tf.maximum(logits, LOG_ZERO)), log_volume)
    highest = tf.reduce_max(log_peak.high)
    dim = tf.cast(tf.shape(loc)[1], loc.dtype)
    rest = -tf.reduce_logsumexp(logits) - dim * (0.5 * math.log(2 * math.pi))
    scale = pairs.exp(pairs.pair(-0.5 * logvar))
    log_peak = pairs.add(log_peak, pairs.pair(-highest))
    components = PairedComponents(loc, pairs.hold(scale), pairs.hold(log_peak))
    return components, pairs.two_sum(highest, rest)


def log_joint(z: tf.Tensor, components: PairedComponents) -> Pair:
    """log w_k + log N(z_n; loc_k, exp(logvar_k)), less a scalar: [n, k] for z [n, L]."""
    loc, scale, log_peak = components
    # Dimensions first, so that neighbours in memory are neighbouring components.
    scale = pairs.each_part(lambda part: tf.transpose(part)[:, tf.newaxis], scale)  # [L, 1, k]
    difference = _difference(tf.transpose(z)[:, :, tf.newaxis], tf.transpose(loc)[:, tf.newaxis])
    squares = pairs.square(pairs.multiply(difference, scale))  # [L, n, k]
    (distance,) = pairs.reduce_sum([squares], axis=0)
    return pairs.add(log_peak, pairs.scale(distance, -0.5))


def relative_terms(joint: Pair, shift: Pair) -> Pair:
    """Joint densities [n, k] divided by exp(shift), the largest [n]."""
    return pairs.exp(pairs.subtract(joint, pairs.each_part(lambda p: p[:, tf.newaxis], shift)))


def log_density(shift: Pair, total: Pair, offset: Pair) -> tf.Tensor:
    """Log-densities [n], of the sum [n] of the joint densities divided by exp(shift + offset)."""
    log_total = pairs.pair(tf.math.log(total.value))
    return pairs.add(pairs.add(shift, offset), log_total).value


def spread_upstream(upstream: Upstream, expected: Pair | None) -> tuple[Pair, Pair]:
    """Gradients g + G - E(G) as a sum of two: of samples, [n, 1], and of components, [n, k] or [1, k].

    Args:
        upstream: gradients g at the log-densities and G at the responsibilities.
        expected: [n, 1] expectations of `upstream.total` under the responsibilities; None without it.
    """
    grad_density = pairs.pair(upstream.log_prob[:, tf.newaxis])
    if expected is None:
        return grad_density, pairs.constant(0.0)
    divisor = 1.0 if upstream.divisor is None else upstream.divisor
    share = pairs.reciprocal(pairs.pair(tf.cast(divisor, tf.float32)))
    of_samples = pairs.subtract(grad_density, pairs.multiply(expected, share))
    return of_samples, pairs.multiply(pairs.pair(upstream.total), share)


def grad_z(weight: Pair, z: tf.Tensor, components: PairedComponents) -> Pair:
    """Gradient [n, L] at z of sum_nk weight_nk log_joint_nk, for weights [n, k]."""
    weight = pairs.each_part(lambda part: tf.transpose(part)[:, :, tf.newaxis], weight)  # [k, n, 1]
    precision = pairs.each_part(lambda part: part[:, tf.newaxis], _precision(components))
    pull = pairs.multiply(weight, _difference(components.loc[:, tf.newaxis], z))  # [k, n, L]
    return pairs.reduce_sum([pairs.multiply(pull, precision)], axis=0)[0]


def moments(weight: Pair, z: tf.Tensor, loc: tf.Tensor) -> Moments:
    """Moments of z [n, L] about means [k, L] under weights [n, k]."""
    blocks = pairs.each_part(lambda part: cut(part, SUM_BLOCK), weight)  # [b, SUM_BLOCK, k]
    difference = _difference(cut(z, SUM_BLOCK)[:, :, tf.newaxis], loc)  # [b, SUM_BLOCK, k, L]
    weight = pairs.each_part(lambda part: part[..., tf.newaxis], blocks)
    first = pairs.multiply(weight, difference)
    second = pairs.multiply(first, difference)
    sums = pairs.reduce_sum(pairs.reduce_sum([first, second], axis=1), axis=0)
    return Moments(_sum_blocks(blocks), *sums)


def sum_over_samples(values: Pair) -> Pair:
    """Sums [k] of values [n, k]."""
    return _sum_blocks(pairs.each_part(lambda part: cut(part, SUM_BLOCK), values))


def grad_parameters(
    sums: Moments, components: PairedComponents, logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients at loc [K, L], logvar [K, L] and logits [K].

    Args:
        sums: moments of the samples, weighted by the gradients at the joint log-densities.
        components: all K components.
        logits: [K] unnormalised log weights.
    """
    precision = _precision(components)
    mass = pairs.each_part(lambda part: part[:, tf.newaxis], sums.mass)
    spread = pairs.subtract(pairs.multiply(precision, sums.second), mass)
    (total,) = pairs.reduce_sum([sums.mass], axis=0)
    grad_logits = pairs.subtract(sums.mass, pairs.multiply(_softmax(logits), total))
    return pairs.multiply(precision, sums.first).value, 0.5 * spread.value, grad_logits.value


def _sum_blocks(blocks: Pair) -> Pair:
    return pairs.reduce_sum(pairs.reduce_sum([blocks], axis=1), axis=0)[0]


def _difference(a: tf.Tensor, b: tf.Tensor) -> Pair:
    return pairs.two_sum(a, -b)


def _precision(components: PairedComponents) -> Pair:
    return pairs.hold(pairs.square(components.scale))  # [k, L]


def _softmax(logits: tf.Tensor) -> Pair:
    logits = tf.maximum(logits, LOG_ZERO)
    terms = pairs.exp(pairs.two_sum(logits, -tf.reduce_max(logits)))
    (total,) = pairs.reduce_sum([terms], axis=0)
    return pairs.multiply(terms, pairs.reciprocal(total))
