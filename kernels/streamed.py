"""The form of large problems, by blocks: no array of N * K numbers.

Samples and components are cut into blocks; a block of the joint density is made, used and dropped. Densities
come from an online log-sum-exp over the blocks of components (Milakov & Gimelshein, 2018); what needs the
responsibilities makes them again from the normaliser that was found. Samples are padded with a normaliser of
infinity, components with a weight of zero: both then have responsibilities of zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import estimates, expanded
from tf_sintrovae.kernels.blocks import cut, join
from tf_sintrovae.kernels.components import (
    Components,
    ComponentsGradient,
    Upstream,
    add_in_float64,
)

EXPANDS = True

SAMPLE_BLOCK = 512
COMPONENT_BLOCK = 2048


class StreamedState(NamedTuple):
    """What the backward programs need of the forward one.

    The normaliser log p(z) = shift + log_total is kept apart, so that neither part rounds the other away.

    Attributes:
        log_prob: [N] log-densities.
        shift: [N] float64, the largest joint log-density (of any component).
        log_total: [N] log of the sum of joint densities relative to it.
    """

    log_prob: tf.Tensor
    shift: tf.Tensor
    log_total: tf.Tensor


def forward(z: tf.Tensor, components: Components, dtype: tf.DType) -> StreamedState:
    """Log-densities, by online log-sum-exp; arguments as in `resident.forward`."""
    blocks = _component_blocks(components)

    def normalise(z):  # [n, L]
        def add(state, block):
            shift, total = state
            joint = expanded.log_joint(z, _block_of(components, block))  # [n, k]
            new_shift = tf.maximum(shift, tf.reduce_max(joint, axis=1))
            terms = tf.exp(tf.cast(joint - new_shift[:, tf.newaxis], dtype))
            faded = total * tf.exp(tf.cast(shift - new_shift, dtype))
            return new_shift, faded + tf.reduce_sum(terms, axis=1)

        lowest = tf.zeros_like(z[:, 0]) + z.dtype.min / 2  # finite: -inf would meet itself as NaN
        shift, total = tf.foldl(add, blocks, (lowest, tf.zeros_like(lowest, dtype)))
        return tf.cast(shift, tf.float64), tf.math.log(total)

    blocks_of_samples = cut(z, SAMPLE_BLOCK)
    normalisers = tf.map_fn(normalise, blocks_of_samples, fn_output_signature=(tf.float64, dtype))
    shift, log_total = (join(part, z) for part in normalisers)
    return StreamedState(add_in_float64(shift, log_total, components.offset), shift, log_total)


def mean_responsibilities(z: tf.Tensor, components: Components, state: StreamedState) -> tf.Tensor:
    """Mean [K] of the responsibilities over the samples, of the type of `state.log_total`."""
    samples = _sample_blocks(z, state)
    dtype = state.log_total.dtype

    def sum_over_samples(block):
        def add(total, sample_block):
            values = _responsibilities(sample_block, _block_of(components, block))  # [n, k]
            return total + tf.reduce_sum(values, axis=0)

        return tf.foldl(add, samples, tf.zeros_like(block[-1], dtype))

    total = tf.map_fn(sum_over_samples, _component_blocks(components), fn_output_signature=dtype)
    return join(total, components.loc) / tf.cast(tf.shape(z)[0], dtype)


def grad_z(
    z: tf.Tensor, components: Components, state: StreamedState, upstream: Upstream
) -> tf.Tensor:
    """Gradient [N, L] at the samples, of the type of z."""
    sample_factor, component_factor = _weight_factors(z, components, state, upstream)
    blocks = (*_component_blocks(components), cut(component_factor, COMPONENT_BLOCK))

    def sum_over_components(sample_block):
        *sample_block, factor = sample_block
        block_z = sample_block[0]

        def add(total, block):
            *block, block_factor = block
            block = _block_of(components, block)
            weight = _weight(sample_block, block, factor, block_factor)
            return total + expanded.grad_z(weight, block_z, block)

        return tf.foldl(add, blocks, tf.zeros_like(block_z))

    samples = (*_sample_blocks(z, state), cut(sample_factor, SAMPLE_BLOCK))
    return join(tf.map_fn(sum_over_components, samples, fn_output_signature=z.dtype), z)


def grad_components(
    z: tf.Tensor, components: Components, state: StreamedState, upstream: Upstream
) -> ComponentsGradient:
    """Gradients at the components, of the type of z."""
    sample_factor, component_factor = _weight_factors(z, components, state, upstream)
    samples = (*_sample_blocks(z, state), cut(sample_factor, SAMPLE_BLOCK))

    def sum_over_samples(block):
        *block, block_factor = block
        block = _block_of(components, block)

        def add(totals, sample_block):
            *sample_block, factor = sample_block
            weight = _weight(sample_block, block, factor, block_factor)
            gradient = expanded.grad_components(weight, sample_block[0], block)
            return ComponentsGradient(*map(tf.add, totals, gradient))

        loc, log_peak = tf.zeros_like(block.loc), tf.zeros_like(block.log_peak)
        return tf.foldl(add, samples, ComponentsGradient(loc, loc, log_peak, *[loc] * 4))

    blocks = (*_component_blocks(components), cut(component_factor, COMPONENT_BLOCK))
    signature = ComponentsGradient(*[z.dtype] * len(ComponentsGradient._fields))
    gradients = tf.map_fn(sum_over_samples, blocks, fn_output_signature=signature)
    return ComponentsGradient(*(join(part, components.loc) for part in gradients))


def rounding(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor) -> estimates.Rounding:
    """Relative error that a float32 responsibility may have."""
    return estimates.expanded_rounding(z, loc, logvar)


def largest_responsibility(state: StreamedState) -> tf.Tensor:
    """Each sample's largest responsibility [N]: the total is relative to its largest joint density."""
    return tf.exp(-state.log_total)


def _weight_factors(
    z: tf.Tensor, components: Components, state: StreamedState, upstream: Upstream
) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradient at the joint log-densities as factors of samples [N] and components [K].

    It is a responsibility times their sum. The gradient at the responsibilities must be [1, K].
    """
    values = upstream.responsibilities
    if values is None:
        return upstream.log_prob, tf.zeros_like(components.log_peak, upstream.log_prob.dtype)
    share = values[0]
    return upstream.log_prob - _expectation(z, components, state, share), share


def _expectation(
    z: tf.Tensor, components: Components, state: StreamedState, value: tf.Tensor
) -> tf.Tensor:
    """Expectation [N] of a value [K] of the components under each sample's responsibilities."""
    blocks = (*_component_blocks(components), cut(value, COMPONENT_BLOCK))

    def expect(sample_block):
        def add(total, block):
            *block, block_value = block
            values = _responsibilities(sample_block, _block_of(components, block))
            return total + tf.linalg.matvec(values, block_value)

        return tf.foldl(add, blocks, tf.zeros_like(sample_block[-1]))

    result = tf.map_fn(expect, _sample_blocks(z, state), fn_output_signature=value.dtype)
    return join(result, z)


def _responsibilities(sample_block: Sequence[tf.Tensor], components: Components) -> tf.Tensor:
    """Responsibilities [n, k] of a block of samples."""
    z, shift, log_total = sample_block
    joint = expanded.log_joint(z, components)  # [n, k]
    relative = tf.cast(joint - tf.cast(shift, z.dtype)[:, tf.newaxis], log_total.dtype)
    return tf.exp(relative - log_total[:, tf.newaxis])


def _weight(
    sample_block: Sequence[tf.Tensor],
    components: Components,
    sample_factor: tf.Tensor,
    component_factor: tf.Tensor,
) -> tf.Tensor:
    """Responsibility times (sample_factor + component_factor): [n, k] of the components' type."""
    values = _responsibilities(sample_block, components)
    weight = values * (sample_factor[:, tf.newaxis] + component_factor)
    return tf.cast(weight, components.loc.dtype)


def _component_blocks(components: Components) -> tuple[tf.Tensor, ...]:
    """Means, log-variances and log peaks in blocks."""
    return (
        cut(components.loc, COMPONENT_BLOCK),
        cut(components.logvar, COMPONENT_BLOCK),
        cut(components.log_peak, COMPONENT_BLOCK, -float("inf")),
    )


def _block_of(components: Components, block: Sequence[tf.Tensor]) -> Components:
    """One of those blocks, with the offset of all components."""
    loc, logvar, log_peak = block
    return Components(loc, logvar, log_peak, components.offset)


def _sample_blocks(z: tf.Tensor, state: StreamedState) -> tuple[tf.Tensor, ...]:
    return (
        cut(z, SAMPLE_BLOCK),
        cut(state.shift, SAMPLE_BLOCK),
        cut(state.log_total, SAMPLE_BLOCK, float("inf")),
    )
