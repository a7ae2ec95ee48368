"""The mixture's log-density, statistics and gradients by blocks: no array of N * K numbers.

Samples and components are cut into blocks; a block of the joint density is made, used and dropped. Densities
come from an online log-sum-exp over the blocks of components (Milakov & Gimelshein, 2018); what needs the
responsibilities makes them again from the normaliser that was found. Samples are padded with a normaliser of
infinity, components with a weight of zero: both then have responsibilities of zero.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels.expanded import (
    Components,
    ComponentsGradient,
    log_joint,
    pull_to_components,
    pull_to_samples,
)

SAMPLE_BLOCK = 512
COMPONENT_BLOCK = 2048


class Normaliser(NamedTuple):
    """log p(z) = shift + log_total, apart, so that neither rounds the other away.

    Attributes:
        shift: [N] float64, the largest joint log-density (of any component).
        log_total: [N], the log of the sum of joint densities relative to it.
    """

    shift: tf.Tensor
    log_total: tf.Tensor


def normaliser(z: tf.Tensor, components: Components, dtype: tf.DType) -> Normaliser:
    """The normaliser of each sample, by online log-sum-exp.

    Args:
        z: [N, L] samples, in the type to compute in.
        components: all K of them, in that type.
        dtype: of the exponentials and of `log_total`.
    """
    blocks = _component_blocks(components)

    def of_samples(z):  # [n, L]
        def add(state, block):
            shift, total = state
            joint = log_joint(z, block)  # [n, k]
            new_shift = tf.maximum(shift, tf.reduce_max(joint, axis=1))
            terms = tf.exp(tf.cast(joint - new_shift[:, tf.newaxis], dtype))
            faded = total * tf.exp(tf.cast(shift - new_shift, dtype))
            return new_shift, faded + tf.reduce_sum(terms, axis=1)

        lowest = tf.zeros_like(z[:, 0]) + z.dtype.min / 2  # finite: -inf would meet itself as NaN
        shift, total = tf.foldl(add, blocks, (lowest, tf.zeros_like(lowest, dtype)))
        return tf.cast(shift, tf.float64), tf.math.log(total)

    shift, log_total = tf.map_fn(
        of_samples, _blocks(z, SAMPLE_BLOCK), fn_output_signature=(tf.float64, dtype)
    )
    return Normaliser(_joined(shift, z), _joined(log_total, z))


def mean_responsibilities(z: tf.Tensor, components: Components, normaliser: Normaliser):
    """Mean over the samples of p(k|z_n): [K], of the type of `normaliser.log_total`."""
    samples = _sample_blocks(z, normaliser)

    def of_components(block):
        def add(total, sample_block):
            values = _responsibilities(*sample_block, block)  # [n, k]
            return total + tf.reduce_sum(values, axis=0)

        dtype = normaliser.log_total.dtype
        return tf.foldl(add, samples, tf.zeros_like(block.log_weight, dtype))

    total = tf.map_fn(
        of_components,
        _component_blocks(components),
        fn_output_signature=normaliser.log_total.dtype,
    )
    count = tf.cast(tf.shape(z)[0], total.dtype)
    return _joined(total, components.loc) / count


def expectation(z, components: Components, normaliser: Normaliser, value: tf.Tensor) -> tf.Tensor:
    """Expectation [N] of a value [K] of the components under each sample's responsibilities."""
    blocks = (*_component_blocks(components), _blocks(value, COMPONENT_BLOCK))

    def of_samples(sample_block):
        def add(total, block):
            *block, block_value = block
            values = _responsibilities(*sample_block, Components(*block))
            return total + tf.linalg.matvec(values, block_value)

        return tf.foldl(add, blocks, tf.zeros_like(sample_block[-1]))

    result = tf.map_fn(of_samples, _sample_blocks(z, normaliser), fn_output_signature=value.dtype)
    return _joined(result, z)


def gradient_at_samples(
    z: tf.Tensor,
    components: Components,
    normaliser: Normaliser,
    of_sample: tf.Tensor,
    of_component: tf.Tensor,
) -> tf.Tensor:
    """Gradient [N, L] at z of a sum of joint log-densities weighted by `_weight`.

    Args:
        z: [N, L] samples.
        components: all K of them.
        normaliser: of the samples.
        of_sample: [N] factor of the weight.
        of_component: [K] factor of the weight.
    """
    blocks = (*_component_blocks(components), _blocks(of_component, COMPONENT_BLOCK))

    def of_samples(sample_block):
        *sample_block, sample_factor = sample_block
        block_z = sample_block[0]

        def add(total, block):
            *block, factor = block
            block = Components(*block)
            weight = _weight(sample_block, block, sample_factor, factor)
            return total + pull_to_samples(weight, block_z, block)

        return tf.foldl(add, blocks, tf.zeros_like(block_z))

    samples = (*_sample_blocks(z, normaliser), _blocks(of_sample, SAMPLE_BLOCK))
    return _joined(tf.map_fn(of_samples, samples, fn_output_signature=z.dtype), z)


def gradient_at_components(
    z: tf.Tensor,
    components: Components,
    normaliser: Normaliser,
    of_sample: tf.Tensor,
    of_component: tf.Tensor,
) -> ComponentsGradient:
    """Gradient of the same sum at the components; arguments as in `gradient_at_samples`."""
    samples = (*_sample_blocks(z, normaliser), _blocks(of_sample, SAMPLE_BLOCK))

    def of_components(block):
        *block, factor = block
        block = Components(*block)

        def add(totals, sample_block):
            *sample_block, sample_factor = sample_block
            weight = _weight(sample_block, block, sample_factor, factor)
            gradient = pull_to_components(weight, sample_block[0], block)
            return ComponentsGradient(*map(tf.add, totals, gradient))

        loc, _, log_weight = map(tf.zeros_like, block)
        return tf.foldl(add, samples, ComponentsGradient(loc, loc, log_weight, *[loc] * 4))

    blocks = (*_component_blocks(components), _blocks(of_component, COMPONENT_BLOCK))
    signature = ComponentsGradient(*[z.dtype] * 7)
    gradients = tf.map_fn(of_components, blocks, fn_output_signature=signature)
    return ComponentsGradient(*(_joined(part, components.loc) for part in gradients))


def _responsibilities(z, shift, log_total, components: Components) -> tf.Tensor:
    joint = log_joint(z, components)  # [n, k]
    relative = tf.cast(joint - tf.cast(shift, z.dtype)[:, tf.newaxis], log_total.dtype)
    return tf.exp(relative - log_total[:, tf.newaxis])


def _weight(sample_block, components: Components, of_sample, of_component) -> tf.Tensor:
    """Responsibility times (of_sample + of_component): [n, k] of the components' type."""
    values = _responsibilities(*sample_block, components)
    weight = values * (of_sample[:, tf.newaxis] + of_component)
    return tf.cast(weight, components.loc.dtype)


def _component_blocks(components: Components) -> Components:
    loc, logvar, log_weight = components
    return Components(
        _blocks(loc, COMPONENT_BLOCK),
        _blocks(logvar, COMPONENT_BLOCK),
        _blocks(log_weight, COMPONENT_BLOCK, -float("inf")),
    )


def _sample_blocks(z, normaliser: Normaliser):
    return (
        _blocks(z, SAMPLE_BLOCK),
        _blocks(normaliser.shift, SAMPLE_BLOCK),
        _blocks(normaliser.log_total, SAMPLE_BLOCK, float("inf")),
    )


def _blocks(x: tf.Tensor, largest: int, fill: float = 0.0) -> tf.Tensor:
    """Cuts [n, ...] into equal blocks [count, size, ...] of at most `largest` rows, padded with `fill`."""
    length = tf.shape(x)[0]
    count = tf.maximum(-(-length // largest), 1)
    size = -(-length // count)
    padding = [[0, count * size - length]] + [[0, 0]] * (x.shape.rank - 1)
    padded = tf.pad(x, padding, constant_values=tf.constant(fill, x.dtype))
    return tf.reshape(padded, tf.concat([[count, size], tf.shape(x)[1:]], axis=0))


def _joined(blocks: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Undoes `_blocks`: [count, size, ...] to as many rows as `like` has."""
    flat = tf.reshape(blocks, tf.concat([[-1], tf.shape(blocks)[2:]], axis=0))
    return flat[: tf.shape(like)[0]]
