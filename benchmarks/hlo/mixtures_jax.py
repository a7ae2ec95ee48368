"""A mixture's log-density and gradients in plain JAX: what the compiled kernels are measured against."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

Tensors = tuple[jax.Array, ...]


def log_prob(z: jax.Array, loc: jax.Array, logvar: jax.Array, logits: jax.Array) -> jax.Array:
    """The formula as it stands: [N] for z [N, L], loc and logvar [K, L], logits [K]."""
    distance = jnp.sum((z[:, None] - loc) ** 2 * jnp.exp(-logvar), axis=-1)  # [N, K]
    log_peak = jax.nn.log_softmax(logits) - 0.5 * jnp.sum(logvar + math.log(2 * math.pi), axis=-1)
    return jax.nn.logsumexp(log_peak - 0.5 * distance, axis=-1)


def with_gradients(function: Callable[..., jax.Array]) -> Callable[..., Tensors]:
    """A function that gives a log-density [N] and the gradients of its sum at every argument."""

    def call(*arguments):
        density, pull = jax.vjp(function, *arguments)
        return density, *pull(jnp.ones_like(density))

    return call


def reference(arguments: tuple[np.ndarray, ...], rows: np.ndarray, block: int) -> list[np.ndarray]:
    """What float64 gives: log-density and gradient at z of some samples, then the gradients at all else.

    Args:
        arguments: z [N, L], loc [K, L], logvar [K, L] and logits [K].
        rows: [n] numbers of the samples that are asked for.
        block: number of samples in one go.
    """
    function = jax.jit(with_gradients(log_prob))
    z, *parameters = arguments
    parameters = [jnp.asarray(value, jnp.float64) for value in parameters]
    totals = [jnp.zeros_like(value) for value in parameters]
    for start in range(0, len(z), block):
        part = jnp.asarray(z[start : start + block], jnp.float64)
        _, _, *gradients = function(part, *parameters)
        totals = [total + grad for total, grad in zip(totals, gradients, strict=True)]
    density, grad_z, *_ = function(jnp.asarray(z[rows], jnp.float64), *parameters)
    return [np.asarray(value) for value in (density, grad_z, *totals)]
