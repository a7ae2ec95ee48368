"""Log-density and responsibilities of a mixture of K diagonal Gaussians, p(z) = sum_k w_k N(z; loc_k, exp(logvar_k))."""

import math

import tensorflow as tf

from tf_sintrovae.kernels.sampling import component_sample, sample, sample_components

__all__ = [
    "component_sample",
    "log_prob",
    "log_prob_and_mean_responsibilities",
    "log_prob_and_responsibilities",
    "responsibilities",
    "sample",
    "sample_components",
]


def log_prob(z, loc, logvar, logits, *, jit_compile: bool = True) -> tf.Tensor:
    """Log-density [..., N] of z [..., N, L] under loc, logvar [K, L], logits [K]."""
    return log_prob_and_responsibilities(z, loc, logvar, logits, jit_compile=jit_compile)[0]


def responsibilities(z, loc, logvar, logits, *, jit_compile: bool = True) -> tf.Tensor:
    """Responsibilities p(k|z) [..., N, K]; arguments as in `log_prob`."""
    return log_prob_and_responsibilities(z, loc, logvar, logits, jit_compile=jit_compile)[1]


def log_prob_and_mean_responsibilities(z, loc, logvar, logits, *, jit_compile: bool = True):
    """Log-density [..., N] and mean responsibilities over N [..., K]; arguments as in `log_prob`."""
    density, values = log_prob_and_responsibilities(z, loc, logvar, logits, jit_compile=jit_compile)
    return density, tf.reduce_mean(values, axis=-2)


def log_prob_and_responsibilities(z, loc, logvar, logits, *, jit_compile: bool = True):
    """Log-density [..., N] and responsibilities [..., N, K]; arguments as in `log_prob`."""
    del jit_compile
    difference = z[..., None, :] - loc  # [..., N, K, L]
    distance = tf.reduce_sum(difference**2 * tf.exp(-logvar) + logvar, axis=-1)  # [..., N, K]
    size = tf.cast(tf.shape(loc)[-1], loc.dtype)
    constant = tf.constant(math.log(2 * math.pi), loc.dtype) * size
    joint = tf.nn.log_softmax(logits) - 0.5 * (distance + constant)  # [..., N, K]
    return tf.reduce_logsumexp(joint, axis=-1), tf.nn.softmax(joint)
