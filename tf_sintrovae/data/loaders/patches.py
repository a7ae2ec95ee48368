"""32x32 colour crops of the two photographs bundled with scikit-learn: no network needed."""

import pathlib

import numpy as np
from sklearn import datasets

from tf_sintrovae.data.formats import images
from tf_sintrovae.data.loader_options import LoaderOptions
from tf_sintrovae.data.sources.arrays import ArraySource

_SIZE = 32
_STRIDE = 4
# The photographs are 427x640; crops for tests come from the columns from here on, none straddles.
_FIRST_TEST_COLUMN = 480


def load(options: LoaderOptions) -> ArraySource:
    """Loads overlapping crops, every 4 pixels; the label is the photograph.

    Training and test crops come from disjoint parts of each photograph: its left three quarters
    and its right quarter.

    Args:
        options: options of the loader, of which `image_size` is heeded.

    Returns:
        The data set, 22,374 training and 6,534 test images `[32, 32, 3]`.
    """
    photographs = datasets.load_sample_images()
    names = tuple(pathlib.Path(file).stem for file in photographs.filenames)
    (x_train, y_train), (x_test, y_test) = (
        _split(photographs.images, columns, options.image_size)
        for columns in (slice(None, _FIRST_TEST_COLUMN), slice(_FIRST_TEST_COLUMN, None))
    )
    return ArraySource(options.name, x_train, y_train, x_test, y_test, class_names=names)


def _split(
    photographs: list[np.ndarray], columns: slice, image_size: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The crops [N, H, W, 3] of some columns of all photographs, and the number [N] of the photograph."""
    crops = [_crops(photograph[:, columns]) for photograph in photographs]
    y = np.repeat(np.arange(len(crops)), [len(c) for c in crops])
    return images.resize(np.concatenate(crops), image_size), y


def _crops(photograph: np.ndarray) -> np.ndarray:
    """All crops of `[H, W, 3]` uint8 on the grid, [N, 32, 32, 3]."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (_SIZE, _SIZE), axis=(0, 1))
    grid = windows[::_STRIDE, ::_STRIDE]  # [rows, columns, 3, 32, 32]
    return grid.transpose(0, 1, 3, 4, 2).reshape(-1, _SIZE, _SIZE, 3)
