"""Forward and backward programs of the mixture, each compiled as one, in the form that suits the size.

Direct in few dimensions; else small problems keep their responsibilities between the two programs, and large
ones make them again by blocks.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import direct, expanded, streaming
from tf_sintrovae.kernels.expanded import Components
from tf_sintrovae.kernels.precision import at_safe_precision, with_checked_rounding
from tf_sintrovae.kernels.streaming import Normaliser

# Responsibilities kept for the backward program: up to 64 MiB in float32. Above, blocks.
RESIDENT_LIMIT = 2**24
# Components above which a batch of unknown size is taken by blocks.
UNKNOWN_BATCH_LIMIT = 4096


# Gradients at what the forward program gave: "log_prob" [N] always, and either "mean" [K], at the mean of the
# responsibilities, or "values" [N, K], at the responsibilities themselves (kept then, whatever their size).
Upstream = dict[str, tf.Tensor]


class Forward(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N].
        kept: [N, K] responsibilities, or [0, 0] where they are made again by blocks.
        normaliser: what makes them again.
    """

    log_prob: tf.Tensor
    kept: tf.Tensor
    normaliser: Normaliser


def compiled(function: Callable) -> Callable:
    """Adds the argument `jit_compile`: compile with XLA, or trace the same source into the caller's graph.

    Tapes do not look inside: they would keep every intermediate, and the gradients are analytic.
    """
    jitted = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args, jit_compile: bool):
        args = tf.nest.map_structure(tf.stop_gradient, args)
        return (jitted if jit_compile else function)(*args)

    return call


def is_large(z: tf.Tensor, loc: tf.Tensor) -> bool:
    """Whether N * K is above what is kept between the programs.

    Where the trace does not know N (a batch of any size), few components count as small: a conditional
    would have XLA compile, and give memory to, both forms.
    """
    samples, components = z.shape[0], loc.shape[0]
    if components is None:
        return True
    if samples is None:
        return components > UNKNOWN_BATCH_LIMIT
    return samples * components > RESIDENT_LIMIT


def is_direct(z: tf.Tensor, loc: tf.Tensor) -> bool:
    """Whether the problem has few dimensions, and no need of blocks."""
    return (loc.shape[1] or math.inf) <= direct.LARGEST_DIM and not is_large(z, loc)


def is_streamed(state: "Forward") -> bool:
    """Whether the forward program kept nothing."""
    return state.kept.shape[0] == 0


@compiled
def forward(z, loc, logvar, logits) -> Forward | direct.Forward:
    """Log-density of z [N, L], with what the backward programs need."""
    if is_direct(z, loc):
        state, _ = direct.forward(z, _components(loc, logvar, logits))
        return state
    of_size = _streamed if is_large(z, loc) else _resident

    def run(typed_z, components):
        return of_size(typed_z, components, z.dtype)

    return at_safe_precision(run, z, loc, logvar, logits)


@compiled
def resident_forward(z, loc, logvar, logits) -> Forward:
    """`forward` that keeps the responsibilities whatever their size, for callers who ask for them."""

    def run(typed_z, components):
        return _resident(typed_z, components, z.dtype)

    return at_safe_precision(run, z, loc, logvar, logits)


@compiled
def forward_and_mean_responsibilities(
    z, loc, logvar, logits
) -> tuple[Forward | direct.Forward, tf.Tensor]:
    """`forward`, and the mean [K] of the responsibilities over the N samples."""
    if is_direct(z, loc):
        return direct.forward(z, _components(loc, logvar, logits))
    state = forward(z, loc, logvar, logits, jit_compile=False)
    if not is_streamed(state):
        return state, tf.reduce_mean(state.kept, axis=0)

    def run(typed_z, components):
        return streaming.mean_responsibilities(typed_z, components, state.normaliser)

    return state, at_safe_precision(run, z, loc, logvar, logits)


@compiled
def samples_gradient(z, loc, logvar, logits, state, upstream: Upstream) -> tf.Tensor:
    """Gradient at z [N, L].

    Args:
        z: [N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] log weights.
        state: of the forward program.
        upstream: gradients at what it gave.
    """
    if isinstance(state, direct.Forward):
        if set(upstream) == {"log_prob"}:
            return state.score * upstream["log_prob"][:, tf.newaxis]
        weight = _resident_weight(state.terms / state.total, upstream)
        return direct.pull_to_samples(weight, z, _components(loc, logvar, logits))

    def stream(typed_z, components):
        factors = _streamed_factors(typed_z, components, state.normaliser, upstream)
        gradient = streaming.gradient_at_samples(typed_z, components, state.normaliser, *factors)
        return tf.cast(gradient, z.dtype)

    def resident(typed_z, components):
        weight = _resident_weight(state.kept, upstream)
        gradient = expanded.pull_to_samples(tf.cast(weight, typed_z.dtype), typed_z, components)
        return tf.cast(gradient, z.dtype)

    run = stream if is_streamed(state) else resident
    return at_safe_precision(run, z, loc, logvar, logits)


@compiled
def parameters_gradient(z, loc, logvar, logits, state, upstream: Upstream):
    """Gradients at loc [K, L], logvar [K, L] and logits [K]; arguments as in `samples_gradient`."""
    if isinstance(state, direct.Forward):
        weight = _resident_weight(state.terms / state.total, upstream)
        gradient = direct.gradient_at_components(weight, z, _components(loc, logvar, logits))
    else:
        gradient = _expanded_parameters_gradient(z, loc, logvar, logits, state, upstream)
    of_weight = gradient.log_weight
    of_logits = of_weight - tf.nn.softmax(logits) * tf.reduce_sum(of_weight)
    return gradient.loc, gradient.logvar, of_logits


def _expanded_parameters_gradient(z, loc, logvar, logits, state: Forward, upstream: Upstream):
    def stream(typed_z, components):
        factors = _streamed_factors(typed_z, components, state.normaliser, upstream)
        return streaming.gradient_at_components(typed_z, components, state.normaliser, *factors)

    def resident(typed_z, components):
        weight = tf.cast(_resident_weight(state.kept, upstream), typed_z.dtype)
        return expanded.pull_to_components(weight, typed_z, components)

    run = stream if is_streamed(state) else resident
    return with_checked_rounding(run, z, loc, logvar, logits)


def _components(loc, logvar, logits) -> Components:
    return Components(loc, logvar, tf.nn.log_softmax(logits))


def _resident(z, components: Components, dtype: tf.DType) -> Forward:
    joint = expanded.log_joint(z, components)  # [N, K]
    shift = tf.reduce_max(joint, axis=1)  # [N]
    terms = tf.exp(tf.cast(joint - shift[:, tf.newaxis], dtype))
    total = tf.reduce_sum(terms, axis=1)  # [N]
    normaliser = Normaliser(tf.cast(shift, tf.float64), tf.math.log(total))
    return Forward(_log_prob(normaliser), terms / total[:, tf.newaxis], normaliser)


def _streamed(z, components: Components, dtype: tf.DType) -> Forward:
    normaliser = streaming.normaliser(z, components, dtype)
    return Forward(_log_prob(normaliser), tf.zeros([0, 0], dtype), normaliser)


def _log_prob(normaliser: Normaliser) -> tf.Tensor:
    shift, log_total = normaliser
    return tf.cast(shift + tf.cast(log_total, tf.float64), log_total.dtype)


def _resident_weight(kept: tf.Tensor, upstream: Upstream) -> tf.Tensor:
    """Gradient [N, K] at the joint log-densities: r_nk (g_n + G_nk - sum_j r_nj G_nj)."""
    of_log_prob = upstream["log_prob"]
    if "mean" in upstream:
        # [K], the same in every row
        of_values = upstream["mean"] / tf.cast(tf.shape(kept)[0], kept.dtype)
    elif "values" in upstream:
        of_values = upstream["values"]
    else:
        return kept * of_log_prob[:, tf.newaxis]
    expected = tf.reduce_sum(kept * of_values, axis=1)  # [N]
    return kept * ((of_log_prob - expected)[:, tf.newaxis] + of_values)


def _streamed_factors(z, components: Components, normaliser, upstream: Upstream):
    """The same weight as factors of samples [N] and of components [K]: r times their sum."""
    of_log_prob = upstream["log_prob"]
    if "mean" not in upstream:
        return of_log_prob, tf.zeros_like(components.log_weight, of_log_prob.dtype)
    share = upstream["mean"] / tf.cast(tf.shape(z)[0], of_log_prob.dtype)  # [K]
    expected = streaming.expectation(z, components, normaliser, share)  # [N]
    return of_log_prob - expected, share
