"""The programs of the mixture, each compiled as one: forward, and the gradients at samples and parameters.

They are the same for every form. Small problems keep their responsibilities between the programs, large ones
make them again by blocks. On GPUs float32 is computed by the forms of pairs; elsewhere few dimensions take
the direct form, more of them the forms by matrix products, which are guarded by the choice of a wider type.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import tensorflow as tf

from tf_sintrovae.kernels import (
    direct,
    estimates,
    paired_resident,
    paired_streamed,
    resident,
    streamed,
)
from tf_sintrovae.kernels.components import ComponentsGradient, Upstream, make_components
from tf_sintrovae.kernels.platforms import Platform
from tf_sintrovae.kernels.precision import centre, is_conditional, run_at_safe_precision

FORMS: dict[str, Any] = {"direct": direct, "resident": resident, "streamed": streamed}
# Forms that are accurate by themselves, in float32 alone.
PAIRED: dict[str, Any] = {"paired_resident": paired_resident, "paired_streamed": paired_streamed}
FormName = Literal["direct", "resident", "streamed", "paired_resident", "paired_streamed"]
State = (
    direct.DirectState
    | resident.ResidentState
    | streamed.StreamedState
    | paired_resident.PairedState
    | paired_streamed.PairedStreamedState
)

# Responsibilities kept for the backward program: up to 64 MiB in float32. Above, blocks.
RESIDENT_LIMIT = 2**24
# Components above which a batch of unknown size is taken by blocks.
UNKNOWN_BATCH_LIMIT = 4096


def compile_program(function: Callable) -> Callable:
    """Adds the argument `jit_compile`: compile with XLA, or trace the same source into the caller's graph.

    Tapes do not look inside: they would keep every intermediate, and the gradients are analytic. Form and
    platform are arguments, because a program traced for any batch size is used for known ones too.
    """
    jitted = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: Any, form: FormName, platform: Platform, jit_compile: bool) -> Any:
        args = tf.nest.map_structure(lambda t: None if t is None else tf.stop_gradient(t), args)
        return (jitted if jit_compile else function)(*args, form=form, platform=platform)

    return call


def choose_form(z: tf.Tensor, loc: tf.Tensor, platform: Platform) -> FormName:
    """The form that suits the size of a problem, of z [N, L] and loc [K, L], on a platform."""
    if is_large(z, loc):
        return "paired_streamed" if _uses_pairs(z, platform) else "streamed"
    if platform == "cpu" and (loc.shape[1] or math.inf) <= direct.LARGEST_DIM:
        return "direct"
    return choose_resident_form(z, platform)


def choose_resident_form(z: tf.Tensor, platform: Platform) -> FormName:
    """The form that holds the responsibilities of z [N, L], whatever their number."""
    return "paired_resident" if _uses_pairs(z, platform) else "resident"


def _uses_pairs(z: tf.Tensor, platform: Platform) -> bool:
    return platform == "gpu" and z.dtype == tf.float32


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


@compile_program
def forward(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    form: FormName,
    platform: Platform,
) -> State:
    """Log-density of z [N, L], with what the other programs need."""
    inputs = (z, loc, logvar, logits)
    if form in PAIRED:
        return PAIRED[form].forward(*inputs)
    return _run(form, platform, lambda *typed: FORMS[form].forward(*typed, z.dtype), *inputs)


@compile_program
def forward_and_mean_responsibilities(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    form: FormName,
    platform: Platform,
) -> tuple[State, tf.Tensor]:
    """`forward`, and the mean [K] of the responsibilities over the N samples."""
    inputs = (z, loc, logvar, logits)
    state = forward(*inputs, form=form, platform=platform, jit_compile=False)
    if form in PAIRED:
        return state, PAIRED[form].mean_responsibilities(*inputs, state)
    mean = _run(
        form,
        platform,
        lambda *typed: FORMS[form].mean_responsibilities(*typed, state),
        *inputs,
    )
    return state, mean


@compile_program
def grad_z(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: State,
    upstream: Upstream,
    *,
    form: FormName,
    platform: Platform,
) -> tf.Tensor:
    """Gradient [N, L] at z.

    Made of what the forward program found; where the components' pulls nearly cancel on all samples, once
    more from the start, all in float64.

    Args:
        z: [N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.
        state: what the forward program gave.
        upstream: gradients at it.
        form: form of the forward program.
        platform: platform of the forward program.
    """
    parameters = (loc, logvar, logits)
    if form in PAIRED:
        return PAIRED[form].grad_z(z, *parameters, state, upstream)
    rules = FORMS[form]

    def quick():
        return _run(
            form,
            platform,
            lambda *typed: tf.cast(rules.grad_z(*typed, state, upstream), z.dtype),
            *(z, *parameters),
        )

    def exact():
        return tf.cast(rules.grad_z(*_in_float64(form, z, parameters, upstream)), z.dtype)

    def is_accurate(gradient):
        error = estimates.samples_error(
            upstream,
            state.log_prob,
            rules.largest_responsibility(state),
            make_components(*parameters),
            rules.rounding(z, loc, logvar),
        )
        return error <= estimates.GRADIENT_TOLERANCE * tf.norm(gradient)

    return _choose(z, platform, quick, exact, is_accurate)


@compile_program
def grad_parameters(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: State,
    upstream: Upstream,
    *,
    form: FormName,
    platform: Platform,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients at loc [K, L], logvar [K, L] and logits [K]; arguments as in `grad_z`.

    Made of what the forward program found; where these sums nearly cancel, or have terms of both signs, whose
    error no estimate knows, once more from the start, all in float64.
    """
    parameters = (loc, logvar, logits)
    if form in PAIRED:
        return PAIRED[form].grad_parameters(z, *parameters, state, upstream)
    rules = FORMS[form]

    def quick():
        return _run(
            form,
            platform,
            lambda *typed: _cast(rules.grad_components(*typed, state, upstream), z.dtype),
            *(z, *parameters),
        )

    def exact():
        arguments = _in_float64(form, z, parameters, upstream)
        return _with_logits(rules.grad_components(*arguments), logits, z.dtype)

    def is_accurate(gradient):
        grad_logits = _with_logits(gradient, logits, z.dtype)[-1]
        rounding = rules.rounding(z, loc, logvar)
        accurate = estimates.components_are_accurate(gradient, grad_logits, rounding)
        return accurate & estimates.has_one_sign(upstream)

    return _choose(
        z, platform, quick, exact, is_accurate, lambda g: _with_logits(g, logits, z.dtype)
    )


def _choose(
    z: tf.Tensor,
    platform: Platform,
    quick: Callable[[], Any],
    exact: Callable[[], Any],
    is_accurate: Callable[[Any], tf.Tensor],
    finish: Callable[[Any], Any] = lambda gradient: gradient,
) -> Any:
    """The quick gradient, finished, where it is accurate, else the exact one."""
    conditional = is_conditional(z, platform)
    if z.dtype == tf.float32 and not conditional:
        return exact()
    gradient = quick()
    if not conditional:
        return finish(gradient)
    return tf.cond(is_accurate(gradient), lambda: finish(gradient), exact)


def _run(
    form: FormName,
    platform: Platform,
    function: Callable,
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
) -> Any:
    """Calls `function(z, components)` in a type that is wide enough for form and platform."""
    if FORMS[form].EXPANDS:
        return run_at_safe_precision(function, z, loc, logvar, logits, platform=platform)
    return function(z, make_components(loc, logvar, logits))


def _in_float64(
    form: FormName, z: tf.Tensor, parameters: Sequence[tf.Tensor], upstream: Upstream
) -> tuple:
    """Arguments of a form's gradients, made from the start in float64."""
    z, components = centre(tf.float64, z, *parameters)
    state = FORMS[form].forward(z, components, tf.float64)
    return z, components, state, Upstream(*(_widen(value) for value in upstream))


def _widen(value: tf.Tensor | None) -> tf.Tensor | None:
    return None if value is None else tf.cast(value, tf.float64)


def _cast(gradient: ComponentsGradient, dtype: tf.DType) -> ComponentsGradient:
    return ComponentsGradient(*(tf.cast(part, dtype) for part in gradient))


def _with_logits(gradient: ComponentsGradient, logits: tf.Tensor, dtype: tf.DType) -> tuple:
    """Gradients at loc, logvar and the unnormalised log weights, of type `dtype`."""
    grad_weight = gradient.log_weight
    weights = tf.nn.softmax(tf.cast(logits, grad_weight.dtype))
    grad_logits = grad_weight - weights * tf.reduce_sum(grad_weight)
    return tuple(tf.cast(value, dtype) for value in (gradient.loc, gradient.logvar, grad_logits))
