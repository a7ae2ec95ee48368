"""The mixture in few dimensions: squares of differences, exact in any type, and nothing to guard.

With L dimensions the differences cost L passes over [N, K], which the compiler fuses; in few dimensions that
is less than the products of `expanded`. The gradient at a sample is the upstream gradient times the score
d log p / dz, which the forward program finds beside the density.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels.expanded import Components, ComponentsGradient, pull_to_components

# Dimensions up to which this form is taken.
LARGEST_DIM = 4

# Samples that are summed over in one go.
SAMPLE_BLOCK = 256

# Relative error that a float32 responsibility may have, beside that of the distance: a few roundings.
RESPONSIBILITY_ROUNDING = 8 * 2.0**-24


class Forward(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N].
        score: [N, L] gradient of the log-density at the samples.
        terms: [N, K] joint densities relative to a sample's largest.
        total: [N, 1] their sums.
    """

    log_prob: tf.Tensor
    score: tf.Tensor
    terms: tf.Tensor
    total: tf.Tensor


def forward(z: tf.Tensor, components: Components) -> tuple[Forward, tf.Tensor]:
    """Log-density and score of z [N, L] under all K components, and the mean responsibilities [K]."""
    joint = log_joint(z, components)  # [N, K]
    shift = tf.reduce_max(joint, axis=1)  # [N]
    terms = tf.exp(joint - shift[:, tf.newaxis])
    # A product with ones, because the compiler does not vectorise sums along rows.
    total = tf.matmul(terms, tf.ones_like(components.log_weight)[:, tf.newaxis])  # [N, 1]
    log_prob = shift + tf.math.log(total[:, 0])
    score = pull_to_samples(terms, z, components) / total
    mean_responsibilities = _weighted_mean(1 / total, terms)
    return Forward(log_prob, score, terms, total), mean_responsibilities


def log_joint(z: tf.Tensor, components: Components) -> tf.Tensor:
    """log w_k + log N(z_n; loc_k, exp(logvar_k)) [N, K] for z [N, L]."""
    loc, logvar, log_weight = components
    scale = tf.exp(-0.5 * logvar)  # [K, L]
    distance = sum(
        tf.square(_difference(loc, z, axis) * scale[:, axis]) for axis in range(z.shape[1])
    )
    log_two_pi = tf.constant(math.log(2 * math.pi), z.dtype)
    return log_weight - 0.5 * (tf.reduce_sum(logvar + log_two_pi, axis=1) + distance)


def pull_to_samples(weight: tf.Tensor, z: tf.Tensor, components: Components) -> tf.Tensor:
    """Gradient [N, L] at z of sum_nk weight_nk log_joint_nk, for weights [N, K]."""
    precision = tf.exp(-components.logvar)  # [K, L]
    columns = [
        tf.matmul(weight * _difference(components.loc, z, axis), precision[:, axis, tf.newaxis])
        for axis in range(z.shape[1])
    ]
    return tf.concat(columns, axis=1)


def gradient_at_components(
    weight: tf.Tensor, z: tf.Tensor, components: Components
) -> ComponentsGradient:
    """Gradient of the same sum at the components.

    By moments of z, in float64: with few dimensions the wider product costs little, and its differences
    leave no more error than the weights have.
    """
    wide = Components(*(tf.cast(part, tf.float64) for part in components))
    centre = tf.reduce_mean(wide.loc, axis=0)  # [L]
    wide = wide._replace(loc=wide.loc - centre)
    moved = tf.cast(z, tf.float64) - centre
    gradient = pull_to_components(tf.cast(weight, tf.float64), moved, wide)
    return ComponentsGradient(*(tf.cast(part, z.dtype) for part in gradient))


def _weighted_mean(weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Mean [K] of weight_n values_nk over n, for weights [N, 1] and values [N, K].

    Products again, and by blocks: one sum over all samples would lose digits in float32.
    """
    num_samples, size = tf.unstack(tf.shape(values))
    blocks = num_samples // SAMPLE_BLOCK
    whole = blocks * SAMPLE_BLOCK
    sums = tf.matmul(
        tf.reshape(weight[:whole], [blocks, 1, SAMPLE_BLOCK]),
        tf.reshape(values[:whole], [blocks, SAMPLE_BLOCK, size]),
    )  # [blocks, 1, K]
    rest = tf.matmul(weight[whole:], values[whole:], transpose_a=True)  # [1, K]
    total = tf.reduce_sum(sums, axis=0) + rest
    return total[0] / tf.cast(num_samples, values.dtype)


def _difference(loc: tf.Tensor, z: tf.Tensor, axis: int) -> tf.Tensor:
    return loc[:, axis] - z[:, axis, tf.newaxis]  # [N, K]
