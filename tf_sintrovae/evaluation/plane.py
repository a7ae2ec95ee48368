"""Metrics of densities in the plane (paper, Sec. 5.1)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.ranges import PlotRange
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.metrics import histogram
from tf_sintrovae.evaluation.metrics.gnelbo import grid, normalise_by_grid
from tf_sintrovae.evaluation.metrics.modes import mode_coverage, ring_coverage
from tf_sintrovae.kernels import mixture

_NUM_NOISES = 100
_BLOCK = 4_096
_LEAST_LOGVAR = -80.0


def divergences(context: Context) -> dict[str, float]:
    """Divergences between histograms of data and samples."""
    real = context.examples("test").x
    fake = context.samples(context.options.num_points)
    return histogram.divergences(real, fake, _plot_range(context))


def modes(context: Context) -> dict[str, float]:
    """Shares of the known modes among the samples."""
    samples = context.samples(context.options.num_points)
    if context.source.centres is not None:
        return mode_coverage(samples, context.source.centres)
    if context.source.radii is not None:
        return ring_coverage(samples, context.source.radii)
    raise ValueError(f"{context.source.name}: expected known centres or radii")


def gnelbo(context: Context) -> dict[str, float]:
    """Negative ELBO at the data, over its sum on a grid and the data."""
    options, source = context.options, context.source
    data = source.examples("test", options.gnelbo_points, context.seed).x
    points = grid(_plot_range(context), options.gnelbo_grid)
    loss = _negative_elbo(context)
    return {"gnelbo": normalise_by_grid(loss(data), loss(points))}


def _plot_range(context: Context) -> PlotRange:
    if context.source.plot_range is None:
        raise ValueError(f"{context.source.name}: expected points of a plane")
    return context.source.plot_range


def _negative_elbo(context: Context) -> Callable[[np.ndarray], np.ndarray]:
    """`rec + KL` of points: betas 1, the mean decoded, the same noises for all points."""
    latent_dim = context.prior["loc"].shape[1]
    eps = context.generator("gnelbo").standard_normal((_NUM_NOISES, 1, latent_dim), np.float32)
    parameters = [tf.constant(context.prior[k]) for k in ("loc", "logvar", "log_weights")]

    @tf.function(reduce_retracing=True)
    def kl(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
        shift = tf.exp(0.5 * logvar) * eps  # [M, B, L]
        log_prior = mixture.log_prob(mean + shift, *parameters, jit_compile=False)
        # Collapsed posteriors would have an infinite density.
        bounded = tf.maximum(logvar, _LEAST_LOGVAR)
        terms = np.log(2.0 * np.pi) + bounded + tf.square(shift) * tf.exp(-bounded)
        return tf.reduce_mean(-0.5 * tf.reduce_sum(terms, axis=-1) - log_prior, axis=0)  # [B]

    def block(x: np.ndarray) -> np.ndarray:
        posterior = context.call("encode", x=x)
        decoded = context.call("decode", z=posterior["mean"])["x"]
        error = np.sum((x - decoded) ** 2, axis=1)
        return error + kl(posterior["mean"], posterior["logvar"]).numpy()

    return lambda x: np.concatenate(
        [block(x[start : start + _BLOCK]) for start in range(0, len(x), _BLOCK)]
    )
