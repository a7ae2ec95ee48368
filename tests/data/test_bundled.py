"""The data sets that scikit-learn brings along: `digits` and `patches`."""

import numpy as np
import pytest
from sklearn import datasets

from tf_sintrovae.data import registry


@pytest.fixture(scope="module")
def digits():
    return registry.load("digits")


def test_digits_are_all_there_once_and_stratified(digits):
    train, test = digits.examples("train"), digits.examples("test")
    assert train.x.shape == (1437, 8, 8, 1) and test.x.shape == (360, 8, 8, 1)
    assert digits.num_classes == 10 and digits.class_names == tuple("0123456789")
    ours = np.concatenate([train.x, test.x]).reshape(-1, 64)
    original = datasets.load_digits()
    np.testing.assert_array_equal(np.unique(ours * 16, axis=0), np.unique(original.data, axis=0))
    shares = [np.bincount(y, minlength=10) / len(y) for y in (train.y, test.y)]
    np.testing.assert_allclose(*shares, atol=0.003)
    labels = {(x * 16).tobytes(): y for x, y in zip(ours, [*train.y, *test.y], strict=True)}
    for x, y in zip(original.data.astype(np.float32), original.target, strict=True):
        assert labels[x.tobytes()] == y


def test_the_split_of_digits_ignores_the_seed(digits):
    other = registry.load("digits", seed=7).examples("test")
    np.testing.assert_array_equal(other.x, digits.examples("test").x)


def test_digits_can_be_resized():
    x = registry.load("digits", image_size=16).examples("test").x
    assert x.shape == (360, 16, 16, 1) and x.min() >= 0 and x.max() <= 1 and x.std() > 0.2


def test_patches_come_from_disjoint_parts_of_two_photographs():
    source = registry.load("patches")
    train, test = source.examples("train"), source.examples("test")
    assert train.x.shape == (22374, 32, 32, 3) and test.x.shape == (6534, 32, 32, 3)
    assert source.class_names == ("china", "flower")
    photographs = datasets.load_sample_images().images
    for y, photograph in enumerate(photographs):
        mine, held = train.x[train.y == y] * 255, test.x[test.y == y] * 255
        np.testing.assert_allclose(mine[0], photograph[:32, :32], atol=1e-4)
        # The next crop of a row is 4 pixels on; the last test crop ends at the right edge.
        np.testing.assert_allclose(mine[1], photograph[:32, 4:36], atol=1e-4)
        np.testing.assert_allclose(mine[112], photograph[:32, 448:480], atol=1e-4)
        np.testing.assert_allclose(held[0], photograph[:32, 480:512], atol=1e-4)
        np.testing.assert_allclose(held[32], photograph[:32, 608:640], atol=1e-4)
