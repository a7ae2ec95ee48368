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


def log_prob_and_gradients(
    z: jax.Array, loc: jax.Array, logvar: jax.Array, logits: jax.Array
) -> Tensors:
    """What `with_gradients(log_prob)` gives, by the formulas of the kernels for GPUs, on plain floats.

    The same sums in the same places (docs/kernels.md), so that the time of a kernel over that of this is what
    its pairs of float32 cost.
    """
    scale, precision = jnp.exp(-0.5 * logvar), jnp.exp(-logvar)  # [K, L]
    distance = jnp.sum(((z[:, None] - loc) * scale) ** 2, axis=-1)  # [N, K]
    log_peak = jax.nn.log_softmax(logits) - 0.5 * jnp.sum(logvar + math.log(2 * math.pi), axis=-1)
    joint = log_peak - 0.5 * distance
    density = jax.nn.logsumexp(joint, axis=-1)
    weight = jnp.exp(joint - density[:, None])[..., None]  # [N, K, 1]
    difference = z[:, None] - loc  # [N, K, L], never stored
    mass = jnp.sum(weight, axis=0)  # [K, 1]
    grad_z = -jnp.sum(weight * difference * precision, axis=1)
    grad_loc = precision * jnp.sum(weight * difference, axis=0)
    grad_logvar = 0.5 * (precision * jnp.sum(weight * difference**2, axis=0) - mass)
    grad_logits = mass[:, 0] - jax.nn.softmax(logits) * jnp.sum(mass)
    return density, grad_z, grad_loc, grad_logvar, grad_logits


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
