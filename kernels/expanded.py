"""A mixture's joint log-density and its derivatives as matrix products.

The squared distance of sample n to component k, in units of the component's standard deviations, is expanded

    sum_l (z_nl - loc_kl)^2 a_kl = [z^2, z] [a, -2 loc a]^T + sum_l loc_kl^2 a_kl,   a = exp(-logvar),

so that no array of N * K * L numbers is ever formed. The expansion cancels where variances are small: callers
come through `precision`, which centres the coordinates and picks the type that these functions compute in.
"""

import tensorflow as tf

from tf_sintrovae.kernels.components import Components, ComponentsGradient


def log_joint(z: tf.Tensor, components: Components) -> tf.Tensor:
    """log w_k + log N(z_n; loc_k, exp(logvar_k)), less `components.offset`: [n, k] for z [n, L]."""
    loc, logvar, log_peak, _ = components
    precision = tf.exp(-logvar)  # [k, L]
    weights = tf.concat([precision, -2 * loc * precision], axis=1)  # [k, 2L]
    product = tf.matmul(_features(z), weights, transpose_b=True)  # [n, k]
    # Rounding may leave a small negative distance; a density above the component's peak would be worse.
    distance = tf.maximum(product + tf.reduce_sum(loc**2 * precision, axis=1), 0)
    return log_peak - 0.5 * distance


def grad_z(weight: tf.Tensor, z: tf.Tensor, components: Components) -> tf.Tensor:
    """Gradient [n, L] at z of sum_nk weight_nk log_joint_nk, for weights [n, k]."""
    loc, logvar, *_ = components
    precision = tf.exp(-logvar)  # [k, L]
    product = tf.matmul(weight, tf.concat([loc * precision, precision], axis=1))  # [n, 2L]
    toward, away = tf.split(product, 2, axis=1)
    return toward - z * away


def grad_components(weight: tf.Tensor, z: tf.Tensor, components: Components) -> ComponentsGradient:
    """Gradients of sum_nk weight_nk log_joint_nk at the components, for weights [n, k]."""
    loc, logvar, *_ = components
    precision = tf.exp(-logvar)  # [k, L]
    features = tf.concat([_features(z), tf.ones_like(z[:, :1])], axis=1)  # [n, 2L + 1]
    product = tf.matmul(weight, features, transpose_a=True)
    # Moments of z under the weights: [k, L], [k, L] and [k].
    (second, first), total = tf.split(product[:, :-1], 2, axis=1), product[:, -1]
    mass = total[:, tf.newaxis]
    away, mixed, square = loc * mass, 2 * loc * first, loc**2 * mass
    spread = second - mixed + square  # weighted sum of (z - loc)^2
    return ComponentsGradient(
        loc=precision * (first - away),
        logvar=0.5 * (precision * spread - mass),
        log_weight=total,
        loc_size=precision * tf.sqrt(tf.abs(spread * mass)),  # by Cauchy and Schwarz
        logvar_size=0.5 * (precision * tf.abs(spread) + tf.abs(mass)),
        loc_moments=precision * (tf.abs(first) + tf.abs(away)),
        logvar_moments=0.5 * precision * (tf.abs(second) + tf.abs(mixed) + tf.abs(square)),
    )


def _features(z: tf.Tensor) -> tf.Tensor:
    return tf.concat([z**2, z], axis=1)  # [n, 2L]
