"""Features: bytes of images, caches, and the classifier."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.data import registry
from tf_sintrovae.data.source import Examples
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.feature_networks import classifier, network

BFLOAT16 = tf.bfloat16.as_numpy_dtype


def test_pixels_are_clipped_and_truncated():
    x = np.array([-0.5, 0.0, 0.999, 1.0, 1.5, 127.9 / 255])
    assert network.to_uint8(x).tolist() == [0, 0, 254, 255, 255, 127]
    stored = np.arange(256, dtype=np.uint8)
    assert network.to_uint8(stored) is stored


def test_digest_tells_shape_type_and_content_apart():
    x = np.arange(6.0)
    digests = {
        network.digest(x),
        network.digest(x.reshape(2, 3)),
        network.digest(x.astype(np.float32)),
        network.digest(x + 1),
        network.digest(x, "a"),
    }
    assert len(digests) == 5
    assert network.digest(x.copy()) == network.digest(x)
    assert network.digest(np.stack([x, x], 1)[:, 0]) == network.digest(x)  # whatever the strides


def test_features_of_real_data_are_extracted_once(tmp_path):
    calls = []

    def extract(x):
        calls.append(len(x))
        return x.reshape(len(x), -1).astype(np.float32)

    net = network.FeatureNetwork("identity", "f", extract)
    x = np.random.default_rng(0).uniform(size=(7, 2, 2, 1)).astype(np.float32)
    first = network.cached_features(net, x, tmp_path, batch_size=3)
    assert calls == [3, 3, 1]
    np.testing.assert_array_equal(network.cached_features(net, x, tmp_path), first)
    assert calls == [3, 3, 1]
    network.cached_features(net, x[:5], tmp_path)  # other data
    network.cached_features(network.FeatureNetwork("identity", "g", extract), x, tmp_path)
    assert calls == [3, 3, 1, 5, 7]


def spoil(entry, kind):
    """The bytes of a cache entry that is damaged in the way `kind` tells."""
    if kind == "truncated":
        return entry[: len(entry) // 2]
    if kind == "flipped":
        return entry[:200] + bytes([entry[200] ^ 1]) + entry[201:]
    if kind in ("empty", "garbage"):
        return b"" if kind == "empty" else b"PK\x03\x04 no archive"
    values = {
        "bfloat16": np.zeros((7, 4), BFLOAT16),
        "float64": np.zeros((7, 4)),
        "of another length": np.zeros((6, 4), np.float32),
        "pickled": np.array([[{}] * 4] * 7),
    }
    file = io.BytesIO()
    np.savez(file, features=values[kind])
    return file.getvalue()


DAMAGES = ("truncated", "flipped", "empty", "garbage", "bfloat16", "float64")
DAMAGES += ("of another length", "pickled")


@pytest.mark.parametrize("kind", DAMAGES)
def test_an_entry_that_cannot_be_read_is_made_again(kind, tmp_path):
    net = network.FeatureNetwork("sum", "f", lambda x: x.reshape(len(x), -1) / np.float32(2))
    x = np.random.default_rng(0).uniform(size=(7, 2, 2, 1)).astype(np.float32)
    first = network.cached_features(net, x, tmp_path)
    (path,) = (tmp_path / "features").iterdir()
    entry = path.read_bytes()
    path.write_bytes(spoil(entry, kind))
    np.testing.assert_array_equal(network.cached_features(net, x, tmp_path), first)
    assert path.read_bytes() == entry


@pytest.mark.parametrize("dtype", [BFLOAT16, np.float16, np.float64])
def test_features_are_float32_whatever_a_network_gives(dtype, tmp_path):
    net = network.FeatureNetwork("half", "f", lambda x: x.reshape(len(x), -1).astype(dtype))
    x = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    for _ in range(2):  # extracted, and from the cache
        features = network.cached_features(net, x, tmp_path)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, x.reshape(2, 4))


def test_a_cache_that_breaks_off_leaves_nothing(tmp_path):
    def broken(file):
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        network.write_cache(tmp_path / "folder" / "x.npy", broken)
    assert not list((tmp_path / "folder").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .*--cache_dir"):
        network.write_cache(tmp_path / "file" / "x.npy", broken)


def test_the_classifier_learns_and_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 300)
    source = registry.load("digits")
    first = classifier.load(source, tmp_path)
    assert first.name == "digits-classifier"
    assert first.info["test_accuracy"] > 0.93
    monkeypatch.setattr(classifier, "_train", None)  # it would raise
    second = classifier.load(source, tmp_path)
    images = network.to_uint8(source.examples("test").x[:50])
    features = first.extract(images)
    assert features.shape == (50, classifier.NUM_FEATURES)
    np.testing.assert_array_equal(second.extract(images), features)
    assert (second.fingerprint, second.info) == (first.fingerprint, first.info)


@pytest.fixture
def keras_set_to():
    """Sets Keras' global precision, and back to float32 afterwards."""

    def set_to(policy, floatx):
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)

    yield set_to
    set_to("float32", "float32")


def test_the_classifier_is_float32_whatever_keras_is_set_to(tmp_path, monkeypatch, keras_set_to):
    monkeypatch.setattr(classifier, "_STEPS", 3)
    x = np.random.default_rng(0).uniform(size=(80, 8, 8, 1)).astype(np.float32)
    source = ArraySource("noise", x, np.arange(80) % 2, x, np.arange(80) % 2)
    wanted = classifier.load(source, tmp_path / "a")
    features = wanted.extract(network.to_uint8(x))
    for policy, floatx in (("mixed_bfloat16", "float32"), ("float16", "float16")):
        keras_set_to(policy, floatx)
        for folder in (policy, "a"):  # trained, and read
            found = classifier.load(source, tmp_path / folder)
            assert found.fingerprint == wanted.fingerprint
            np.testing.assert_array_equal(found.extract(network.to_uint8(x)), features)
        assert (keras.config.dtype_policy().name, keras.config.floatx()) == (policy, floatx)


@pytest.mark.parametrize("damage", ["truncated", "other weights"])
def test_a_classifier_that_cannot_be_read_is_trained_again(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 3)
    x = np.random.default_rng(0).uniform(size=(80, 8, 8, 1)).astype(np.float32)
    source = ArraySource("noise", x, np.arange(80) % 2, x, np.arange(80) % 2)
    first = classifier.load(source, tmp_path)
    (path,) = (tmp_path / "classifiers").iterdir()
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        with np.load(path) as stored:
            weights = dict(stored)
        weights["w5"] = weights["w5"][:1]
        np.savez(path, **weights)
    again = classifier.load(source, tmp_path)
    assert (again.fingerprint, again.info) == (first.fingerprint, first.info)


def test_the_classifier_is_the_same_however_the_data_are_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 3)
    x = np.random.default_rng(0).uniform(size=(80, 8, 8, 1)).astype(np.float32)
    y = np.arange(80, dtype=np.int32) % 2
    fingerprints = set()
    for name, order in (("mixed", np.arange(80)), ("sorted", np.argsort(y, kind="stable"))):
        source = ArraySource("noise", x[order], y[order], x, y)
        fingerprints.add(classifier.load(source, tmp_path / name).fingerprint)
    assert len(fingerprints) == 1


def test_training_gives_the_same_classifier_again_and_another_for_other_labels(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(classifier, "_STEPS", 5)
    x = np.random.default_rng(0).uniform(size=(80, 8, 8, 1)).astype(np.float32)
    y = np.arange(80, dtype=np.int32) % 2

    def fingerprint(labels, folder):
        source = ArraySource("noise", x, labels, x, labels)
        return classifier.load(source, tmp_path / folder).fingerprint

    assert fingerprint(y, "a") == fingerprint(y, "b")
    assert fingerprint(y, "a") != fingerprint(1 - y, "a")


def test_images_stored_in_any_layout_are_put_in_the_same_order():
    """CIFAR-10's archive has channels first: its images are views whose bytes do not lie in a row."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(5, 3, 4, 4)).astype(np.float32).transpose(0, 2, 3, 1)
    y = np.arange(5, dtype=np.int32)
    ordered = [
        classifier._sort_by_content(Examples(images, y)) for images in (x, np.ascontiguousarray(x))
    ]
    np.testing.assert_array_equal(ordered[0].y, ordered[1].y)
    np.testing.assert_array_equal(ordered[0].x, ordered[1].x)
