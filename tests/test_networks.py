"""Networks: shapes, initial values, batch-norm constants."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae import network_checks, networks


@pytest.mark.parametrize(
    ("shape", "widths"),
    [((2,), (8, 8)), ((8, 8, 1), (4, 6)), ((28, 28, 1), (4, 8)), ((32, 32, 3), (4, 6, 8))],
)
def test_encoder_and_decoder_shapes(shape, widths):
    encoder, decoder = networks.build_networks(shape, 5, widths)
    mean, logvar = encoder(tf.zeros((3, *shape)))
    assert mean.shape == logvar.shape == (3, 5)
    assert decoder(mean).shape == (3, *shape)


def test_parameter_counts_of_the_papers_networks():
    encoder, decoder = networks.build_networks((28, 28, 1), 32, (64, 128))
    block = lambda i, o: 9 * i * o + 9 * o * o + 4 * o + (i * o if i != o else 0)  # noqa: E731
    expected = 25 * 64 + 2 * 64 + block(64, 128) + block(128, 128) + (7 * 7 * 128 + 1) * 64
    assert sum(np.prod(v.shape) for v in encoder.trainable_variables) == expected
    expected = 33 * 7 * 7 * 128 + block(128, 128) + block(128, 64) + block(64, 64) + 25 * 64 + 1
    assert sum(np.prod(v.shape) for v in decoder.trainable_variables) == expected


def test_default_widths():
    assert networks.default_widths((2,)) == (256,) * 4
    assert networks.default_widths((8, 8, 1)) == (32, 64)
    assert networks.default_widths((28, 28, 1)) == (64, 128)
    assert networks.default_widths((32, 32, 3)) == (64, 128, 256)


def test_initial_values_are_uniform_by_fan_in_for_kernels_and_biases():
    encoder, decoder = networks.build_networks((28, 28, 1), 32, (16, 32))
    for layer, fan_in in (
        (encoder.get_layer("in"), 25),
        (encoder.get_layer("posterior"), 7 * 7 * 32),
        (decoder.get_layer("in"), 32),
        (decoder.get_layer("out"), 25 * 16),
    ):
        for weight in layer.weights:
            largest = float(np.max(np.abs(weight.numpy())))
            assert 0.5 / np.sqrt(fan_in) < largest <= 1 / np.sqrt(fan_in) or weight.shape == (1,)


def test_seed_decides_the_initial_weights():
    weights = [networks.build_networks((2,), 2, (8,), seed)[0].get_weights() for seed in (0, 0, 1)]
    assert all(map(np.array_equal, weights[0], weights[1]))
    assert not np.array_equal(weights[0][0], weights[2][0])
    assert not np.array_equal(weights[0][0][:2, :2], weights[0][2][:2, :2])


def test_batch_norm_constants_are_pytorchs():
    encoder, _ = networks.build_networks((8, 8, 1), 2, (4,))
    norms = [la for la in encoder.layers if isinstance(la, keras.layers.BatchNormalization)]
    assert norms
    assert all(layer.epsilon == 1e-5 and layer.momentum == 0.9 for layer in norms)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"30x30 cannot be halved 2 times.*divisible by 4"):
        networks.build_networks((30, 30, 1), 2, (4, 8))


def test_other_ranks_are_refused():
    with pytest.raises(ValueError, match=r"shape \(8, 8\)"):
        networks.build_networks((8, 8), 2, (4,))


def test_half_precision_keeps_posteriors_and_outputs_in_float32():
    encoder, decoder = networks.build_networks((8, 8, 1), 2, (4,), dtype="mixed_bfloat16")
    mean, _ = encoder(tf.zeros((1, 8, 8, 1)))
    assert mean.dtype == decoder(mean).dtype == tf.float32
    assert encoder.get_layer("in").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
def test_a_given_policy_does_what_the_global_one_does(policy, shape):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        expected = networks.build_networks(shape, 2, (4, 6))
    finally:
        keras.config.set_dtype_policy(before)
    given = networks.build_networks(shape, 2, (4, 6), dtype=policy)
    for network, reference in zip(given, expected, strict=True):
        # Input layers compute nothing; Keras gives them the global policy whatever their tensor's dtype.
        pairs = list(zip(network.layers, reference.layers, strict=True))[1:]
        assert [a.compute_dtype for a, _ in pairs] == [b.compute_dtype for _, b in pairs]
        assert [v.dtype for v in network.variables] == [v.dtype for v in reference.variables]
        x = np.random.default_rng(0).uniform(size=(3, *network.input_shape[1:]))
        x = tf.constant(x, network.inputs[0].dtype)
        for training in (False, True):
            values, others = (
                tf.nest.flatten(n(x, training=training)) for n in (network, reference)
            )
            for value, other in zip(values, others, strict=True):
                assert value.dtype == other.dtype
                np.testing.assert_array_equal(value, other)


def test_any_seed_of_a_run_serves():
    largest = networks.build_networks((2,), 2, (8,), 2**31 - 1)[0].get_weights()
    assert not np.array_equal(
        largest[0], networks.build_networks((2,), 2, (8,), 0)[0].get_weights()[0]
    )


@pytest.mark.parametrize(("shape", "expected"), [((2,), False), ((8, 8, 1), True)])
def test_batch_norm_is_found_in_a_network_and_in_one_inside_it(shape, expected):
    encoder, decoder = networks.build_networks(shape, 5, (4, 6))
    around = keras.Sequential([keras.Input((5,)), decoder])
    for network in (encoder, decoder, around):
        assert network_checks.has_batch_norm(network) == expected
