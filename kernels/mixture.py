"""A mixture of K diagonal Gaussians: log-density, responsibilities, their gradients, samples.

    p(z) = sum_k w_k N(z; loc_k, diag exp(logvar_k)),  w = softmax(logits)

All functions work eagerly, in graphs, inside compiled functions and under distribution strategies, in float32
and float64; lower precisions are computed, and returned, in float32. First derivatives are analytic; higher
ones are those of the plain formula, with an array of N * K numbers. `docs/kernels.md` gives the mathematics.

Programs are made for CPUs or for GPUs: `platform`, by default what `platforms.default_platform` finds.
"""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_sintrovae.kernels import expanded, platforms, programs
from tf_sintrovae.kernels.components import Components, Upstream
from tf_sintrovae.kernels.differentiation import analytic_gradient
from tf_sintrovae.kernels.platforms import Platform
from tf_sintrovae.kernels.precision import run_at_safe_precision
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


def log_prob(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    jit_compile: bool = True,
    platform: Platform | None = None,
) -> tf.Tensor:
    """Log-density of the mixture, differentiable in every argument.

    Args:
        z: [..., N, L] samples.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights; -inf for a weight of zero.
        jit_compile: whether XLA compiles, once for each shape; False where shapes vary all the time.
        platform: platform to compile for, "cpu" or "gpu"; None for the default. Without compilation there is
            one program, which runs anywhere.

    Returns:
        The log-densities, [..., N] in nats.
    """
    z, *parameters = _convert(z, loc, logvar, logits)
    flat, batch_shape = _flatten(z)
    values = _log_prob(_options(jit_compile, platform))(flat, *parameters)
    return tf.reshape(values, batch_shape)


def responsibilities(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    jit_compile: bool = True,
    platform: Platform | None = None,
) -> tf.Tensor:
    """Posterior probabilities p(k|z) [..., N, K] of the components; arguments as in `log_prob`."""
    return log_prob_and_responsibilities(
        z, loc, logvar, logits, jit_compile=jit_compile, platform=platform
    )[1]


def log_prob_and_responsibilities(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    jit_compile: bool = True,
    platform: Platform | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log-density [..., N] and responsibilities [..., N, K]; arguments as in `log_prob`."""
    z, *parameters = _convert(z, loc, logvar, logits)
    flat, batch_shape = _flatten(z)
    function = _log_prob_and_responsibilities(_options(jit_compile, platform))
    density, values = function(flat, *parameters)
    values_shape = tf.concat([batch_shape, [tf.shape(values)[1]]], axis=0)
    return tf.reshape(density, batch_shape), tf.reshape(values, values_shape)


def log_prob_and_mean_responsibilities(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    *,
    mean_gradient: bool = True,
    jit_compile: bool = True,
    platform: Platform | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Log-density [..., N] and the mean over N of the responsibilities [..., K].

    Differentiable in both; large problems never hold the responsibilities. Arguments as in `log_prob`, and:

    Args:
        mean_gradient: whether the mean carries a gradient; without, it costs none.
    """
    z, *parameters = _convert(z, loc, logvar, logits)
    function = _log_prob_and_mean_responsibilities(mean_gradient, _options(jit_compile, platform))
    if z.shape.rank == 2:
        return function(z, *parameters)
    batches = tf.reshape(z, tf.concat([[-1], tf.shape(z)[-2:]], axis=0))  # [B, N, L]
    density, mean = tf.map_fn(
        lambda one: function(one, *parameters), batches, fn_output_signature=(z.dtype, z.dtype)
    )
    shape = tf.shape(z)
    mean_shape = tf.concat([shape[:-2], tf.shape(mean)[1:]], axis=0)
    return tf.reshape(density, shape[:-1]), tf.reshape(mean, mean_shape)


def _options(jit_compile: bool, platform: Platform | None) -> dict:
    """The options that all programs of a call share."""
    return {"jit_compile": jit_compile, "platform": platforms.resolve(platform, jit_compile)}


def _with_form(inputs: Sequence[tf.Tensor], options: dict) -> dict:
    return options | {"form": programs.choose_form(inputs[0], inputs[1], options["platform"])}


def _log_prob(options: dict) -> Callable:
    plain = functools.partial(_plain_log_prob, options["platform"])

    @tf.custom_gradient
    def function(*inputs):
        complete = _with_form(inputs, options)
        state = programs.forward(*inputs, **complete)
        gradient = analytic_gradient(plain, Upstream, inputs, state, complete)
        return state.log_prob, gradient

    return tf.autograph.experimental.do_not_convert(function)


def _log_prob_and_responsibilities(options: dict) -> Callable:
    plain = functools.partial(_plain, options["platform"])

    @tf.custom_gradient
    def function(*inputs):
        form = programs.choose_resident_form(inputs[0], options["platform"])
        complete = options | {"form": form}
        state = programs.forward(*inputs, **complete)
        gradient = analytic_gradient(plain, Upstream, inputs, state, complete)
        return (state.log_prob, state.responsibilities), gradient

    return tf.autograph.experimental.do_not_convert(function)


def _log_prob_and_mean_responsibilities(mean_gradient: bool, options: dict) -> Callable:
    plain_log_prob = functools.partial(_plain_log_prob, options["platform"])
    plain_mean = functools.partial(_plain_mean, options["platform"])

    @tf.custom_gradient
    def function(*inputs):
        complete = _with_form(inputs, options)
        state, mean = programs.forward_and_mean_responsibilities(*inputs, **complete)
        if mean_gradient:
            gradient = analytic_gradient(plain_mean, _spread_mean, inputs, state, complete)
            return (state.log_prob, mean), gradient
        gradient = analytic_gradient(plain_log_prob, Upstream, inputs, state, complete)
        return (state.log_prob, mean), lambda grad_log_prob, _: gradient(grad_log_prob)

    return tf.autograph.experimental.do_not_convert(function)


def _spread_mean(grad_log_prob: tf.Tensor, grad_mean: tf.Tensor) -> Upstream:
    """The gradient at the mean [K] as one at every sample's responsibilities, [1, K]."""
    return Upstream(grad_log_prob, grad_mean[tf.newaxis], tf.shape(grad_log_prob)[0])


def _plain(
    platform: Platform, z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The formula without own gradients: log-density [N] and responsibilities [N, K]."""

    def run(typed_z: tf.Tensor, components: Components) -> tuple[tf.Tensor, tf.Tensor]:
        joint = expanded.log_joint(typed_z, components)  # [N, K]
        density = tf.reduce_logsumexp(joint, axis=1) + tf.cast(components.offset, joint.dtype)
        values = tf.nn.softmax(joint)
        return tf.cast(density, z.dtype), tf.cast(values, z.dtype)

    return run_at_safe_precision(run, z, loc, logvar, logits, platform=platform)


def _plain_log_prob(platform: Platform, *inputs: tf.Tensor) -> tuple[tf.Tensor]:
    return _plain(platform, *inputs)[:1]


def _plain_mean(platform: Platform, *inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    density, values = _plain(platform, *inputs)
    return density, tf.reduce_mean(values, axis=0)


def _convert(z: tf.Tensor, *parameters: tf.Tensor) -> list[tf.Tensor]:
    """Converts to one floating type, float32 at least, and checks that the shapes fit."""
    z = tf.convert_to_tensor(z)
    tensors = [z, *(tf.convert_to_tensor(parameter) for parameter in parameters)]
    shapes = _merge_shapes(*(tensor.shape for tensor in tensors))
    wide = tf.float64 in [tensor.dtype for tensor in tensors]
    return [
        tf.cast(tf.ensure_shape(tensor, shape), tf.float64 if wide else tf.float32)
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]


def _merge_shapes(
    z: tf.TensorShape, loc: tf.TensorShape, logvar: tf.TensorShape, logits: tf.TensorShape
) -> tuple[tf.TensorShape, ...]:
    """The arguments' shapes, each with what the others tell of it."""
    try:
        components = loc.merge_with(logvar).with_rank(2)  # [K, L]
        size, dim = components[:1].merge_with(logits), components[1:].merge_with(z[-1:])
        rows = z.with_rank_at_least(2)[:-1]
        if rows.rank is None:
            raise ValueError("unknown rank")
        return rows + dim, size + dim, size + dim, size
    except ValueError:
        raise ValueError(
            "expected z [..., N, L], loc [K, L], logvar [K, L] and logits [K], got shapes "
            f"{z}, {loc}, {logvar}, {logits}"
        ) from None


def _flatten(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """z as [N, L], and the shape [..., N] of its values."""
    return tf.reshape(z, [-1, z.shape[-1] or tf.shape(z)[-1]]), tf.shape(z)[:-1]
