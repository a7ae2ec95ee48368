"""The form of GPUs, its responsibilities [N, K] kept from the forward to the backward program.

A form of pairs needs no guard: `programs` runs `forward`, `mean_responsibilities`, `grad_z` and
`grad_parameters` as they are.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_sintrovae.kernels import paired, pairs
from tf_sintrovae.kernels.components import Upstream
from tf_sintrovae.kernels.pairs import Pair


class PairedState(NamedTuple):
    """What the backward programs need of the forward one.

    Attributes:
        log_prob: [N] log-densities.
        posterior: [N, K] posterior probabilities of the components, in pairs.
    """

    log_prob: tf.Tensor
    posterior: Pair

    @property
    def responsibilities(self) -> tf.Tensor:
        """[N, K] posterior probabilities of the components."""
        return self.posterior.value


def forward(z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor) -> PairedState:
    """Log-densities and responsibilities."""
    components, offset = paired.make_components(loc, logvar, logits)
    joint = paired.log_joint(z, components)  # [N, K]
    shift = pairs.reduce_max(joint, axis=1)  # [N]
    terms = paired.relative_terms(joint, shift)
    (total,) = pairs.reduce_sum([terms], axis=1)  # [N]
    share = pairs.each_part(lambda part: part[:, tf.newaxis], pairs.reciprocal(total))
    log_prob = paired.log_density(shift, total, offset)
    return PairedState(log_prob, pairs.multiply(terms, share))


def mean_responsibilities(
    z: tf.Tensor, loc: tf.Tensor, logvar: tf.Tensor, logits: tf.Tensor, state: PairedState
) -> tf.Tensor:
    """Mean [K] of the responsibilities over the samples."""
    return paired.sum_over_samples(state.posterior).value / tf.cast(tf.shape(z)[0], z.dtype)


def grad_z(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: PairedState,
    upstream: Upstream,
) -> tf.Tensor:
    """Gradient [N, L] at the samples."""
    components, _ = paired.make_components(loc, logvar, logits)
    return paired.grad_z(_weight(state, upstream), z, components).value


def grad_parameters(
    z: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    state: PairedState,
    upstream: Upstream,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradients at loc [K, L], logvar [K, L] and logits [K]."""
    components, _ = paired.make_components(loc, logvar, logits)
    sums = paired.moments(_weight(state, upstream), z, loc)
    return paired.grad_parameters(sums, components, logits)


def _weight(state: PairedState, upstream: Upstream) -> Pair:
    """Gradient [N, K] at the joint log-densities."""
    expected = None
    if upstream.total is not None:
        terms = pairs.multiply(state.posterior, pairs.pair(upstream.total))
        (expected,) = pairs.reduce_sum([terms], axis=1)
        expected = pairs.each_part(lambda part: part[:, tf.newaxis], expected)  # [N, 1]
    return pairs.multiply(state.posterior, pairs.add(*paired.spread_upstream(upstream, expected)))
