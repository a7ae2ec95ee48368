"""Forward and backward programs of the mixture, each compiled as one, in the form that suits the size.

Direct in few dimensions; else small problems keep their responsibilities between the two programs, and large
ones make them again by blocks.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import direct, expanded, streaming
from tf_sintrovae.kernels.expanded import (
    Components,
    ComponentsGradient,
    pull_to_components,
    pull_to_samples,
)
from tf_sintrovae.kernels.precision import (
    FLOAT32_ROUNDING,
    at_safe_precision,
    centred,
    components_are_accurate,
    is_conditional,
    responsibility_rounding,
    samples_are_accurate,
)
from tf_sintrovae.kernels.streaming import Normaliser

# Responsibilities kept for the backward program: up to 64 MiB in float32. Above, blocks.
RESIDENT_LIMIT = 2**24
# Components above which a batch of unknown size is taken by blocks.
UNKNOWN_BATCH_LIMIT = 4096

Form = Literal["direct", "resident", "streamed"]

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

    Tapes do not look inside: they would keep every intermediate, and the gradients are analytic. The form is
    an argument, because a program traced for any batch size is used for known ones too.
    """
    jitted = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args, form: Form, jit_compile: bool):
        args = tf.nest.map_structure(tf.stop_gradient, args)
        return (jitted if jit_compile else function)(*args, form=form)

    return call


def form_of(z: tf.Tensor, loc: tf.Tensor) -> Form:
    """The form that suits the size of a problem."""
    if is_large(z, loc):
        return "streamed"
    return "direct" if (loc.shape[1] or math.inf) <= direct.LARGEST_DIM else "resident"


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


@compiled
def forward(z, loc, logvar, logits, *, form: Form) -> Forward | direct.Forward:
    """Log-density of z [N, L], with what the backward programs need."""
    if form == "direct":
        state, _ = direct.forward(z, _components(loc, logvar, logits))
        return state
    of_size = _streamed if form == "streamed" else _resident

    def run(typed_z, components):
        return of_size(typed_z, components, z.dtype)

    return at_safe_precision(run, z, loc, logvar, logits)


@compiled
def forward_and_mean_responsibilities(
    z, loc, logvar, logits, *, form: Form
) -> tuple[Forward | direct.Forward, tf.Tensor]:
    """`forward`, and the mean [K] of the responsibilities over the N samples."""
    if form == "direct":
        return direct.forward(z, _components(loc, logvar, logits))
    state = forward(z, loc, logvar, logits, form=form, jit_compile=False)
    if form == "resident":
        return state, tf.reduce_mean(state.kept, axis=0)

    def run(typed_z, components):
        return streaming.mean_responsibilities(typed_z, components, state.normaliser)

    return state, at_safe_precision(run, z, loc, logvar, logits)


@compiled
def samples_gradient(z, loc, logvar, logits, state, upstream: Upstream, *, form: Form) -> tf.Tensor:
    """Gradient at z [N, L].

    Made of the responsibilities that the forward program found; where the components' pulls nearly cancel
    on all samples, once more from the start, all in float64.

    Args:
        z: [N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] log weights.
        state: of the forward program.
        upstream: gradients at what it gave.
        form: of the forward program.
    """

    def exact():
        gradient = _exact_gradient(z, loc, logvar, logits, upstream, form, at_samples=True)
        return tf.cast(gradient, z.dtype)

    if z.dtype == tf.float32 and not is_conditional(z):
        return exact()
    gradient = _samples_gradient(z, loc, logvar, logits, state, upstream, form)
    if not is_conditional(z):
        return gradient
    accurate = samples_are_accurate(
        gradient,
        _size(upstream),
        state.log_prob,
        _largest_responsibility(state),
        _components(loc, logvar, logits),
        _rounding(z, loc, logvar, form),
    )
    return tf.cond(accurate, lambda: gradient, exact)


def _samples_gradient(z, loc, logvar, logits, state, upstream: Upstream, form: Form) -> tf.Tensor:
    """The gradient by the forward program's state."""
    if form == "direct":
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
        gradient = pull_to_samples(tf.cast(weight, typed_z.dtype), typed_z, components)
        return tf.cast(gradient, z.dtype)

    run = stream if form == "streamed" else resident
    return at_safe_precision(run, z, loc, logvar, logits)


@compiled
def parameters_gradient(z, loc, logvar, logits, state, upstream: Upstream, *, form: Form):
    """Gradients at loc [K, L], logvar [K, L] and logits [K]; arguments as in `samples_gradient`.

    Made of the responsibilities that the forward program found; where these sums nearly cancel, or have terms
    of both signs, whose error no estimate knows, once more from the start, all in float64.
    """

    def exact():
        gradient = _exact_gradient(z, loc, logvar, logits, upstream, form, at_samples=False)
        values = gradient.loc, gradient.logvar, _of_logits(gradient, logits)
        return tuple(tf.cast(value, z.dtype) for value in values)

    if z.dtype == tf.float32 and not is_conditional(z):
        return exact()
    gradient = _parameters_gradient(z, loc, logvar, logits, state, upstream, form)
    values = gradient.loc, gradient.logvar, _of_logits(gradient, logits)
    if not is_conditional(z):
        return values
    accurate = components_are_accurate(gradient, values[-1], _rounding(z, loc, logvar, form))
    return tf.cond(accurate & _has_one_sign(upstream), lambda: values, exact)


def _parameters_gradient(z, loc, logvar, logits, state, upstream: Upstream, form: Form):
    """The gradients by the forward program's state."""
    if form == "direct":
        weight = _resident_weight(state.terms / state.total, upstream)
        return direct.gradient_at_components(weight, z, _components(loc, logvar, logits))

    def stream(typed_z, components):
        factors = _streamed_factors(typed_z, components, state.normaliser, upstream)
        return streaming.gradient_at_components(typed_z, components, state.normaliser, *factors)

    def resident(typed_z, components):
        weight = tf.cast(_resident_weight(state.kept, upstream), typed_z.dtype)
        return pull_to_components(weight, typed_z, components)

    def run(typed_z, components):
        gradient = (stream if form == "streamed" else resident)(typed_z, components)
        return ComponentsGradient(*(tf.cast(part, z.dtype) for part in gradient))

    return at_safe_precision(run, z, loc, logvar, logits)


def _exact_gradient(
    z, loc, logvar, logits, upstream: Upstream, form: Form, at_samples: bool
) -> tf.Tensor | ComponentsGradient:
    """The gradient at the samples or at the components, in float64, from the arguments alone."""
    z, components = centred(tf.float64, z, loc, logvar, logits)
    upstream = {name: tf.cast(value, tf.float64) for name, value in upstream.items()}
    if form == "streamed":
        normaliser = streaming.normaliser(z, components, tf.float64)
        factors = _streamed_factors(z, components, normaliser, upstream)
        pull = streaming.gradient_at_samples if at_samples else streaming.gradient_at_components
        return pull(z, components, normaliser, *factors)
    log_joint = direct.log_joint if form == "direct" else expanded.log_joint
    responsibilities = tf.nn.softmax(log_joint(z, components))  # [N, K]
    pull = pull_to_samples if at_samples else pull_to_components
    return pull(_resident_weight(responsibilities, upstream), z, components)


def _rounding(z, loc, logvar, form: Form):
    """Relative error that a float32 responsibility may have: in any case, and for each squared distance."""
    if form == "direct":
        return direct.RESPONSIBILITY_ROUNDING, FLOAT32_ROUNDING
    return responsibility_rounding(z, loc, logvar), 0.0


def _size(upstream: Upstream) -> tf.Tensor:
    """[N] how much the gradients upstream weigh for each sample."""
    size = tf.abs(upstream["log_prob"])
    if "mean" in upstream:
        share = upstream["mean"] / tf.cast(tf.size(size), size.dtype)
        size += 2 * tf.reduce_max(tf.abs(share))
    if "values" in upstream:
        size += 2 * tf.reduce_max(tf.abs(upstream["values"]), axis=1)
    return size


def _has_one_sign(upstream: Upstream) -> tf.Tensor:
    """Whether the gradients at all joint log-densities have the same sign: a boolean, False where unsure."""
    of_log_prob = upstream["log_prob"]
    spread = tf.zeros_like(of_log_prob)  # [N] how far the responsibilities' gradients move one
    if "mean" in upstream:
        share = upstream["mean"] / tf.cast(tf.size(of_log_prob), of_log_prob.dtype)
        spread += tf.reduce_max(share) - tf.reduce_min(share)
    if "values" in upstream:
        of_values = upstream["values"]
        spread += tf.reduce_max(of_values, axis=1) - tf.reduce_min(of_values, axis=1)
    return tf.reduce_all(of_log_prob >= spread) | tf.reduce_all(of_log_prob <= -spread)


def _largest_responsibility(state: Forward | direct.Forward) -> tf.Tensor:
    """[N]: the total of a sample is relative to its largest joint density."""
    if isinstance(state, direct.Forward):
        return 1 / state.total[:, 0]
    return tf.exp(-state.normaliser.log_total)


def _of_logits(gradient: ComponentsGradient, logits: tf.Tensor) -> tf.Tensor:
    """Gradient [K] at the unnormalised log weights."""
    of_weight = gradient.log_weight
    weights = tf.nn.softmax(tf.cast(logits, of_weight.dtype))
    return of_weight - weights * tf.reduce_sum(of_weight)


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
