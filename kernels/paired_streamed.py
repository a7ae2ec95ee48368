"""The form of GPUs for large problems, by blocks that fill one: no array of N * K numbers.

As `streamed`, on pairs. Samples are padded with a huge normaliser, components with a weight of zero:
both then have responsibilities of zero.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import paired, pairs
from tf_sintrovae.kernels.blocks import cut, join
from tf_sintrovae.kernels.components import Upstream
from tf_sintrovae.kernels.paired import Moments, PairedComponents
from tf_sintrovae.kernels.pairs import Pair

# Joint densities in a block, and components in it at most: samples fill it up.
BLOCK = 2**24
COMPONENT_BLOCK = 4096

_PAIR = Pair(tf.float32, tf.float32)


class Normalised(NamedTuple):
    """Samples with their normalisers, log p(z) = shift + log(total) and a constant.

    Attributes:
        z: [n, L] samples.
        shift: [n] largest joint log-density.
        total: [n] sum of the joint densities divided by exp(shift).
    """

    z: tf.Tensor
    shift: Pair
    total: Pair


class PairedStreamedState(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N] log-densities.
        shift: [N] as in `Normalised`.
        total: [N] as in `Normalised`.
    """

    log_prob: tf.Tensor
    shift: Pair
    total: Pair


def forward(
    z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor
) -> PairedStreamedState:
    """Log-densities, by online log-sum-exp."""
    components, offset = paired.make_components(loc, logvar, logits)
    blocks = _component_blocks(components)

    def normalise(z):  # [n, L]
        def add(state, block):
            shift, total = state
            joint = paired.log_joint(z, block)  # [n, k]
            new_shift = pairs.maximum(shift, pairs.reduce_max(joint, axis=1))
            (added,) = pairs.reduce_sum([paired.relative_terms(joint, new_shift)], axis=1)
            faded = pairs.multiply(total, pairs.exp(pairs.subtract(shift, new_shift)))
            return new_shift, pairs.add(faded, added)

        zeros = tf.zeros_like(z[:, 0])
        return tf.foldl(add, blocks, (pairs.pair(zeros + paired.LOG_ZERO), pairs.pair(zeros)))

    samples = cut(z, samples_in_block(loc))
    normalisers = tf.map_fn(normalise, samples, fn_output_signature=(_PAIR, _PAIR))
    shift, total = tf.nest.map_structure(lambda part: join(part, z), normalisers)
    return PairedStreamedState(paired.log_density(shift, total, offset), shift, total)


def mean_responsibilities(
    z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor, state: PairedStreamedState
) -> tf.Tensor:
    """Mean [K] of the responsibilities over the samples."""
    components, _ = paired.make_components(loc, logvar, logits)
    samples = _sample_blocks(z, state, samples_in_block(loc))

    def sum_over_samples(block):
        def add(total, sample_block):
            values = _responsibilities(sample_block, block)  # [n, k]
            return pairs.add(total, paired.sum_over_samples(values))

        return tf.foldl(add, samples, pairs.pair(tf.zeros_like(block.loc[:, 0])))

    total = tf.map_fn(sum_over_samples, _component_blocks(components), fn_output_signature=_PAIR)
    return _join(total, loc).value / tf.cast(tf.shape(z)[0], z.dtype)


def grad_z(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: PairedStreamedState,
    upstream: Upstream,
) -> tf.Tensor:
    """Gradient [N, L] at the samples."""
    components, _ = paired.make_components(loc, logvar, logits)
    samples, blocks = _weighted_blocks(z, components, state, upstream)

    def sum_over_components(sample_block):
        def add(total, block):
            weight = _weight(sample_block, block)
            return pairs.add(total, paired.grad_z(weight, sample_block[0].z, block[0]))

        return tf.foldl(add, blocks, pairs.pair(tf.zeros_like(sample_block[0].z)))

    return _join(tf.map_fn(sum_over_components, samples, fn_output_signature=_PAIR), z).value


def grad_parameters(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: PairedStreamedState,
    upstream: Upstream,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients at loc [K, L], logvar [K, L] and logits [K]."""
    components, _ = paired.make_components(loc, logvar, logits)
    samples, blocks = _weighted_blocks(z, components, state, upstream)

    def sum_over_samples(block):
        block_loc = block[0].loc

        def add(totals, sample_block):
            found = paired.moments(_weight(sample_block, block), sample_block[0].z, block_loc)
            return Moments(*map(pairs.add, totals, found))

        zeros = pairs.pair(tf.zeros_like(block_loc))
        none = Moments(pairs.each_part(lambda part: part[:, 0], zeros), zeros, zeros)
        return tf.foldl(add, samples, none)

    sums = tf.map_fn(sum_over_samples, blocks, fn_output_signature=Moments(_PAIR, _PAIR, _PAIR))
    return paired.grad_parameters(_join(sums, loc), components, logits)


def _weighted_blocks(
    z: tf.Tensor, components: PairedComponents, state: PairedStreamedState, upstream: Upstream
) -> tuple[Any, Any]:
    """Blocks of samples and of components, each with its part of the gradients that arrive.

    The gradient at the responsibilities must be [1, K].
    """
    size = samples_in_block(components.loc)
    expected = None
    if upstream.total is not None:
        expected = _expectation(z, components, state, upstream.total[0], size)
    of_samples, of_components = paired.spread_upstream(upstream, expected)
    of_components = pairs.add(of_components, pairs.pair(tf.zeros_like(components.log_peak.high)))
    samples = _sample_blocks(z, state, size), _cut(of_samples, size)
    of_components = pairs.each_part(lambda part: tf.reshape(part, [-1]), of_components)  # [K]
    return samples, (_component_blocks(components), _cut(of_components, COMPONENT_BLOCK))


def _expectation(
    z: tf.Tensor,
    components: PairedComponents,
    state: PairedStreamedState,
    value: tf.Tensor,
    size: tf.Tensor,
) -> Pair:
    """Expectation [N, 1] of a value [K] of the components under each sample's responsibilities."""
    blocks = _component_blocks(components), cut(value, COMPONENT_BLOCK)

    def expect(sample_block):
        def add(total, block):
            block, block_value = block
            values = _responsibilities(sample_block, block)  # [n, k]
            terms = pairs.multiply(values, pairs.pair(block_value))
            return pairs.add(total, pairs.reduce_sum([terms], axis=1)[0])

        return tf.foldl(add, blocks, pairs.pair(tf.zeros_like(sample_block.z[:, 0])))

    samples = _sample_blocks(z, state, size)
    result = _join(tf.map_fn(expect, samples, fn_output_signature=_PAIR), z)
    return pairs.each_part(lambda part: part[:, tf.newaxis], result)


def _responsibilities(samples: Normalised, components: PairedComponents) -> Pair:
    """Responsibilities [n, k]."""
    terms = paired.relative_terms(paired.log_joint(samples.z, components), samples.shift)
    share = pairs.reciprocal(samples.total)
    return pairs.multiply(terms, pairs.each_part(lambda part: part[:, tf.newaxis], share))


def _weight(samples: tuple[Normalised, Pair], components: tuple[PairedComponents, Pair]) -> Pair:
    """Gradient [n, k] at the joint log-densities: responsibility times the sum of what arrives."""
    (normalised, of_samples), (block, of_components) = samples, components
    values = _responsibilities(normalised, block)
    return pairs.multiply(values, pairs.add(of_samples, of_components))


def _component_blocks(components: PairedComponents) -> PairedComponents:
    """Components in blocks."""
    return PairedComponents(
        cut(components.loc, COMPONENT_BLOCK),
        _cut(components.scale, COMPONENT_BLOCK),
        _cut(components.log_peak, COMPONENT_BLOCK, paired.LOG_ZERO),
    )


def _sample_blocks(z: tf.Tensor, state: PairedStreamedState, size: tf.Tensor) -> Normalised:
    """Samples with their normalisers in blocks."""
    return Normalised(
        cut(z, size), _cut(state.shift, size, -paired.LOG_ZERO), _cut(state.total, size, 1.0)
    )


def samples_in_block(loc: tf.Tensor) -> tf.Tensor:
    """Samples in a block: as many as fill it with the components of one."""
    return BLOCK // tf.minimum(tf.shape(loc)[0], COMPONENT_BLOCK)


def _cut(value: Pair, largest: int | tf.Tensor, fill: float = 0.0) -> Pair:
    return Pair(cut(value.high, largest, fill), cut(value.low, largest))


def _join(value: Any, like: tf.Tensor) -> Any:
    return tf.nest.map_structure(lambda part: join(part, like), value)
