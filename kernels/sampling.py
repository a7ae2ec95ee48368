"""Samples of a mixture of diagonal Gaussians that touch only the drawn components."""

from collections.abc import Sequence

import tensorflow as tf

from tf_sintrovae.kernels import platforms
from tf_sintrovae.kernels.platforms import Platform
from tf_sintrovae.kernels.rows import gather_rows


def sample(
    num_samples: int | tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    logits: tf.Tensor,
    seed: tf.Tensor | Sequence[int],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws from the mixture: an index by its weight, then noise within that component.

    Differentiable in `loc` and `logvar`; the index carries no gradient. A seed gives the same samples
    eagerly, in graphs and under XLA.

    Args:
        num_samples: number of samples, N, an integer or an integer scalar tensor.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights; -inf for a weight of zero.
        seed: pair of integers.

    Returns:
        The samples z [N, L] and the components [N] int32 that they came from.
    """
    loc = tf.convert_to_tensor(loc)
    logvar = tf.cast(logvar, loc.dtype)
    seed = tf.cast(seed, tf.int64)
    # One draw for both: of two draws, the seeds would have to be kept apart from the callers' other seeds.
    draw = uniform([num_samples, 1 + tf.shape(loc)[1]], seed)  # [N, 1 + L]
    component = sample_components(draw[:, 0], logits)  # [N]
    noise = tf.math.ndtri(draw[:, 1:])  # [N, L]
    return component_sample(component, tf.cast(noise, loc.dtype), loc, logvar), component


def uniform(
    shape: tf.Tensor | Sequence[int | tf.Tensor], seed: tf.Tensor | Sequence[int]
) -> tf.Tensor:
    """float64 uniforms strictly inside (0, 1), of 52 bits.

    Made of Philox's integers, which are the same eagerly, in graphs and under XLA; TensorFlow's own
    floating-point uniforms and normals are not.
    """
    with tf.name_scope("uniform"):
        bits = tf.random.stateless_uniform(
            shape, seed, minval=None, maxval=None, dtype=tf.uint64, alg="philox"
        )
        # 52 bits, so the half is exact.
        whole = tf.bitwise.right_shift(bits, tf.constant(12, tf.uint64))
        return (tf.cast(whole, tf.float64) + 0.5) * 2.0**-52


def sample_components(uniform: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Components by the inverse of the cumulative weights: O(N log K), no [N, K] array.

    Args:
        uniform: [N] uniform numbers in [0, 1).
        logits: [K] unnormalised log weights; a component of weight zero is never returned.

    Returns:
        The indices of the components, [N] int32.
    """
    with tf.name_scope("sample_components"):
        weights = tf.nn.softmax(tf.cast(logits, tf.float64))  # [K]
        cumulative = tf.cumsum(weights)
        # Scaled by the sum as it was rounded, u stays under the last cumulative weight; the right side of
        # equal entries is the first component beyond u whose own weight is not zero.
        u = tf.minimum(
            tf.cast(uniform, tf.float64) * cumulative[-1],
            tf.math.nextafter(cumulative[-1], tf.zeros([], tf.float64)),
        )
        return tf.searchsorted(cumulative, u, side="right", out_type=tf.int32)


def component_sample(
    component: tf.Tensor,
    eps: tf.Tensor,
    loc: tf.Tensor,
    logvar: tf.Tensor,
    *,
    platform: Platform | None = None,
) -> tf.Tensor:
    """Reparameterised samples of given components: loc[k] + exp(logvar[k] / 2) * eps.

    Only the drawn rows are read, and only they get a gradient; in float32 on GPUs without a scatter.

    Args:
        component: [N] int32 indices.
        eps: [N, L] standard normal noise.
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        platform: platform of the gradient, "cpu" or "gpu"; None for the default.

    Returns:
        The samples z [N, L].
    """
    loc, logvar = tf.convert_to_tensor(loc), tf.convert_to_tensor(logvar)
    on_gpu = platforms.resolve(platform, jit_compile=True) == "gpu"
    gather = gather_rows if on_gpu and loc.dtype == logvar.dtype == tf.float32 else tf.gather
    return gather(loc, component) + tf.exp(0.5 * gather(logvar, component)) * eps
