"""Resizing."""

import numpy as np
import pytest

from tf_sintrovae.data.formats import images


def test_no_change_returns_the_array_itself():
    x = np.zeros((2, 8, 8, 1), np.uint8)
    assert images.resize(x, None) is x and images.resize(x, 8) is x


@pytest.mark.parametrize("value", [np.uint8(7), np.uint8(255), np.float32(0.3)])
def test_a_constant_stays_constant_and_the_dtype_too(value):
    x = np.full((3, 9, 9, 3), value)
    for size in (4, 17):
        y = images.resize(x, size)
        assert y.shape == (3, size, size, 3) and y.dtype == value.dtype
        np.testing.assert_allclose(y, value, rtol=1e-6)


def test_shrinking_is_antialiased():
    """A checkerboard of single pixels becomes grey; plain sampling would keep black and white."""
    board = np.indices((32, 32)).sum(0) % 2 * 255
    small = images.resize(board.astype(np.uint8)[None, ..., None], 8)
    assert np.abs(small[0, 1:-1, 1:-1, 0].astype(int) - 128).max() < 8


def test_the_central_square_is_kept():
    x = np.zeros((1, 4, 10, 1), np.float32)
    x[:, :, 3:7] = 1
    for image in (x, x.transpose(0, 2, 1, 3)):
        small = images.resize(image, 2)
        np.testing.assert_allclose(small, 1, rtol=1e-6)
        assert small.max() <= 1, "pixels stay in [0, 1]"


def test_more_images_than_a_chunk():
    x = np.random.default_rng(0).random((1500, 4, 4, 1), np.float32)
    np.testing.assert_allclose(images.resize(x, 2)[1400:], images.resize(x[1400:], 2), rtol=1e-6)
