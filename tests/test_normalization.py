"""Fused batch norm against Keras's, and against float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.normalization import FusedBatchNormalization, normalize_batch


def example(seed=0, shape=(8, 6, 6, 5)):
    """Images whose channels differ in mean and size, and a gradient that does not average to zero."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * np.arange(1, 6) + 3 * rng.normal(size=5)
    return x.astype(np.float32), (rng.normal(size=shape) + 0.5).astype(np.float32)


def layers():
    """Keras's layer and ours, of equal weights away from their initial values."""
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.5, 2, 5).astype(np.float32) for _ in range(4)]
    both = []
    for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-5)
        layer.build((None, 6, 6, 5))
        layer.set_weights(weights)
        both.append(layer)
    return both


def step(layer, x, upstream, training=True):
    """Outputs and gradients at x, scale and offset."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        total = tf.reduce_sum(y * upstream)
    return [y, *tape.gradient(total, [x, layer.gamma.value, layer.beta.value])]


@pytest.mark.parametrize("training", [True, False])
def test_same_as_keras(training):
    theirs, ours = layers()
    x, upstream = example()
    wanted, actual = (step(layer, x, upstream, training) for layer in (theirs, ours))
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-4, atol=1e-5)
    for a, w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-6)  # the moving statistics among them


def test_gradients_keep_six_digits_of_float64():
    x, upstream = example(shape=(64, 14, 14, 5))
    scale, offset = np.linspace(0.5, 2, 5), np.linspace(-1, 1, 5)

    def plain(x, scale, offset):
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        return (x - mean) * tf.math.rsqrt(variance + tf.constant(1e-5, x.dtype)) * scale + offset

    def gradients(function, dtype):
        inputs = [tf.constant(a, dtype) for a in (x, scale, offset)]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(function(*inputs) * tf.cast(upstream, dtype))
        return tape.gradient(total, inputs)

    wanted = gradients(plain, tf.float64)
    actual = gradients(lambda *a: normalize_batch(*a, epsilon=1e-5)[0], tf.float32)
    for a, w in zip(actual, (g.numpy() for g in wanted), strict=True):
        assert np.max(np.abs(a - w)) < 5e-6 * np.max(np.abs(w))


def test_frozen_layer_stays_in_inference_mode():
    _, ours = layers()
    ours.trainable = False
    x, _ = example()
    np.testing.assert_allclose(ours(x, training=True), ours(x, training=False))


def test_half_precision_is_normalised_in_float32():
    x, _ = example()
    layer = FusedBatchNormalization(dtype="mixed_bfloat16", epsilon=1e-5)
    y = layer(tf.cast(x, tf.bfloat16), training=True)
    assert y.dtype == tf.bfloat16
    rounded = tf.cast(tf.cast(x, tf.bfloat16), tf.float32)
    wanted = keras.layers.BatchNormalization(epsilon=1e-5)(rounded, training=True)
    np.testing.assert_allclose(tf.cast(y, tf.float32), wanted, atol=0.02)


def test_compiled_and_in_a_graph_it_is_the_same():
    x, upstream = example()
    wanted = step(layers()[1], x, upstream)
    for jit_compile in (False, True):
        layer = layers()[1]
        function = tf.function(lambda x, g, layer=layer: step(layer, x, g), jit_compile=jit_compile)
        for a, w in zip(function(x, upstream), wanted, strict=True):
            np.testing.assert_allclose(a, w, rtol=1e-4, atol=1e-5)
