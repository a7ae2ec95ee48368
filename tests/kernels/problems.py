"""Mixtures with samples, and what TensorFlow Probability says of them in float64."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def random_problem(rng, N=40, K=5, L=3, spread=1.0, logvar=(-1.0, 1.0), deviations=1.0):
    """Parameters, and samples around their components; every array in float64.

    Args:
        rng: NumPy generator.
        N, K, L: sizes.
        spread: means are uniform in +-spread.
        logvar: range of the log-variances, uniform.
        deviations: samples lie this many standard normals, in each dimension, from some component.

    Returns:
        z [N, L], loc [K, L], logvar [K, L], logits [K].
    """
    loc = rng.uniform(-spread, spread, (K, L))
    logvars = rng.uniform(*logvar, (K, L))
    logits = rng.normal(size=K)
    component = rng.integers(0, K, N)
    eps = np.clip(deviations * rng.normal(size=(N, L)), -8, 8)
    return loc[component] + np.exp(logvars[component] / 2) * eps, loc, logvars, logits


def as_tensors(problem, dtype):
    return [tf.constant(array, dtype) for array in problem]


def tfp_mixture(loc, logvar, logits):
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, tf.exp(0.5 * logvar))
    )


def tfp_values(z, *parameters):
    """Log-density [N] and responsibilities [N, K] by TFP, in the type of its arguments."""
    distribution = tfp_mixture(*parameters)
    return distribution.log_prob(z), distribution.posterior_marginal(z).probs_parameter()


def gradients(function, tensors, *upstream):
    """Gradients of sum(upstream * function(*tensors)) at every tensor, as NumPy arrays."""
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = tf.nest.flatten(function(*tensors))
        total = tf.add_n(
            [tf.reduce_sum(y * tf.cast(u, y.dtype)) for y, u in zip(outputs, upstream, strict=True)]
        )
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(total, tensors)]


def relative_error(actual, wanted):
    """Norm of the difference over the norm of what is wanted, in float64."""
    return np.linalg.norm(np.float64(actual) - wanted) / np.linalg.norm(wanted)
