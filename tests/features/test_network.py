"""Features: bytes of images, caches, and the classifier."""

import numpy as np
import pytest

from tf_sintrovae.data import registry
from tf_sintrovae.data.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.features import classifier, network


def test_pixels_are_clipped_and_truncated():
    x = np.array([-0.5, 0.0, 0.999, 1.0, 1.5, 127.9 / 255])
    assert network.to_uint8(x).tolist() == [0, 0, 254, 255, 255, 127]


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
