"""The form of few dimensions: squares of differences, exact in any type, and nothing to guard.

With L dimensions the differences cost L passes over [N, K], which the compiler fuses; in few dimensions that
is less than the products of `expanded`. The gradient at a sample is the upstream gradient times the score
d log p / dz, which the forward program finds beside the density.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import estimates, expanded
from tf_sintrovae.kernels.components import (
    Components,
    ComponentsGradient,
    Upstream,
    add_in_float64,
    grad_log_joint,
)

EXPANDS = False

# Dimensions up to which this form is taken.
LARGEST_DIM = 4

# Samples that are summed over in one go.
SAMPLE_BLOCK = 256


class DirectState(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N] log-densities.
        score: [N, L] gradient of the log-density at the samples.
        terms: [N, K] joint densities relative to a sample's largest.
        total: [N, 1] sums of the terms.
    """

    log_prob: tf.Tensor
    score: tf.Tensor
    terms: tf.Tensor
    total: tf.Tensor

    @property
    def responsibilities(self) -> tf.Tensor:
        """[N, K] posterior probabilities of the components."""
        return self.terms / self.total


def forward(z: tf.Tensor, components: Components, dtype: tf.DType) -> DirectState:
    """Log-density and score of z [N, L] under all K components; `dtype` is that of z."""
    joint = log_joint(z, components)  # [N, K]
    shift = tf.reduce_max(joint, axis=1)  # [N]
    terms = tf.exp(joint - shift[:, tf.newaxis])
    # A product with ones, because the compiler does not vectorise sums along rows.
    total = tf.matmul(terms, tf.ones_like(components.log_peak)[:, tf.newaxis])  # [N, 1]
    log_prob = add_in_float64(shift, tf.math.log(total[:, 0]), components.offset)
    return DirectState(log_prob, _weighted_pull(terms, z, components) / total, terms, total)


def mean_responsibilities(z: tf.Tensor, components: Components, state: DirectState) -> tf.Tensor:
    """Mean [K] of the responsibilities over the samples.

    By products, and by blocks: one sum over all samples would lose digits in float32.
    """
    weight, values = 1 / state.total, state.terms
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


def grad_z(
    z: tf.Tensor, components: Components, state: DirectState, upstream: Upstream
) -> tf.Tensor:
    """Gradient [N, L] at the samples."""
    if upstream.total is None:
        return state.score * upstream.log_prob[:, tf.newaxis]
    return _weighted_pull(grad_log_joint(state.responsibilities, upstream), z, components)


def grad_components(
    z: tf.Tensor, components: Components, state: DirectState, upstream: Upstream
) -> ComponentsGradient:
    """Gradients at the components.

    By moments of z, in float64: with few dimensions the wider product costs little, and its differences
    leave no more error than the weights have.
    """
    weight = grad_log_joint(state.responsibilities, upstream)
    weight, z = tf.cast(weight, tf.float64), tf.cast(z, tf.float64)
    wide = Components(*(tf.cast(part, tf.float64) for part in components))
    centre = tf.reduce_mean(wide.loc, axis=0)  # [L]
    centred = wide._replace(loc=wide.loc - centre)
    return expanded.grad_components(weight, z - centre, centred)


def rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> estimates.Rounding:
    """Relative error that a float32 responsibility may have."""
    return estimates.DIRECT_ROUNDING


def largest_responsibility(state: DirectState) -> tf.Tensor:
    """Each sample's largest responsibility [N]: the total is relative to its largest joint density."""
    return 1 / state.total[:, 0]


def log_joint(z: tf.Tensor, components: Components) -> tf.Tensor:
    """log w_k + log N(z_n; loc_k, exp(logvar_k)), less `components.offset`: [N, K] for z [N, L]."""
    loc, logvar, log_peak, _ = components
    scale = tf.exp(-0.5 * logvar)  # [K, L]
    distance = sum(
        tf.square(_difference(loc, z, axis) * scale[:, axis]) for axis in range(z.shape[1])
    )
    return log_peak - 0.5 * distance


def _weighted_pull(weight: tf.Tensor, z: tf.Tensor, components: Components) -> tf.Tensor:
    """Gradient [N, L] at z of sum_nk weight_nk log_joint_nk, for weights [N, K]."""
    precision = tf.exp(-components.logvar)  # [K, L]
    columns = [
        tf.matmul(weight * _difference(components.loc, z, axis), precision[:, axis, tf.newaxis])
        for axis in range(z.shape[1])
    ]
    return tf.concat(columns, axis=1)


def _difference(loc: tf.Tensor, z: tf.Tensor, axis: int) -> tf.Tensor:
    return loc[:, axis] - z[:, axis, tf.newaxis]  # [N, K]
