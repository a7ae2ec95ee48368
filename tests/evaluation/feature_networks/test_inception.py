"""Inception networks: a stand-in graph with the original's node names, and Keras's own."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.feature_networks import inception

IMAGES = np.random.default_rng(0).integers(0, 256, size=(3, 28, 28, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def frozen_graph(tmp_path_factory):
    """A graph with nodes `Mul` and `pool_3` and, as the original, a batch size of 1 written into it."""
    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.float32, (1, 299, 299, 3), "ExpandDims")
        scaled = tf.multiply(image - 128.0, 1 / 128, name="Mul")
        tf.nn.avg_pool2d(scaled, 299, 1, "VALID", name="pool_3")
    path = tmp_path_factory.mktemp("inception") / "graph.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def means(images):
    """Mean of each scaled, resized image by TensorFlow 1's resizing."""
    resized = tf.compat.v1.image.resize_bilinear(images.astype(np.float32), (299, 299))
    return (tf.reduce_mean(resized, axis=(1, 2)).numpy() - 128) / 128


def test_a_frozen_graph_takes_any_number_of_images(frozen_graph):
    network = inception.original(str(frozen_graph))
    features = network.extract(IMAGES)
    assert features.shape == (3, 3)  # grey repeated to three channels
    np.testing.assert_allclose(features, np.repeat(means(IMAGES), 3, axis=1), atol=1e-5)
    expected = hashlib.sha256(frozen_graph.read_bytes()).hexdigest()
    assert network.info == {"sha256": expected}
    assert network.name == "inception-2015"


def test_a_saved_model_serves_as_well(tmp_path, frozen_graph):
    module = tf.Module()
    spec = tf.TensorSpec((None, 299, 299, 3), tf.float32, name="images")
    module.pool = tf.function(lambda images: tf.reduce_mean(images, (1, 2)), input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path), signatures=module.pool.get_concrete_function())
    features = inception.original(str(tmp_path)).extract(IMAGES)
    expected = inception.original(str(frozen_graph)).extract(IMAGES)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_missing_and_wrong_files_are_named(tmp_path):
    with pytest.raises(UserError, match="--inception_path"):
        inception.original(None)
    with pytest.raises(UserError, match="no such file"):
        inception.original(str(tmp_path / "absent.pb"))
    broken = tmp_path / "broken.pb"
    broken.write_bytes(b"not a graph")
    with pytest.raises(UserError, match="is no Inception network"):
        inception.original(str(broken))
    other = tmp_path / "other.pb"
    with tf.Graph().as_default() as graph:
        tf.constant(1.0)
    other.write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(UserError, match="is no Inception network"):
        inception.original(str(other))
    with pytest.raises(UserError, match="--keras_inception_weights"):
        inception.keras_v3(str(tmp_path / "absent.h5"))


def test_keras_inception_runs_in_inference_mode(tmp_path):
    """An image's features do not depend on what else is in the batch."""
    keras.utils.set_random_seed(0)
    weights = tmp_path / "random.weights.h5"
    model = keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg")
    model.save_weights(weights)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:  # the network is float32 all the same
        network = inception.keras_v3(str(weights))
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    together, alone = network.extract(IMAGES), network.extract(IMAGES[:1])
    assert together.shape == (3, 2048) and together.dtype == np.float32
    np.testing.assert_allclose(together[:1], alone, rtol=1e-3, atol=1e-6)
    assert len(network.info["weights_sha256"]) == 64
