"""The IDX format of MNIST and its relatives.

A file is gzip-compressed: two zero bytes, a byte for the data type (8 is uint8), a byte for the
number of dimensions, each dimension as a big-endian 32-bit integer, then the values.
"""

import pathlib

import numpy as np

from tf_sintrovae.data.formats import gzipped
from tf_sintrovae.data.formats.splits import LabelledImages
from tf_sintrovae.errors import UserError

_UINT8 = 8
_NUM_CLASSES = 10


def read_split(images: pathlib.Path, labels: pathlib.Path, max_bytes: int) -> LabelledImages:
    """Reads the two files of a split.

    Args:
        images: path of the file of `[N, H, W]` pixels.
        labels: path of the file of `[N]` labels.
        max_bytes: greatest size of each file's content.

    Returns:
        Images x [N, H, W, 1] uint8 and labels y [N] uint8.

    Raises:
        UserError: the files are damaged, their counts differ, or a label is above 9.
    """
    x, y = read(images, 3, max_bytes), read(labels, 1, max_bytes)
    if len(x) != len(y):
        raise UserError(
            f"{labels}: {len(y)} labels for the {len(x)} images of {images.name}: "
            "the two files do not belong together"
        )
    if y.max() >= _NUM_CLASSES:
        raise UserError(f"{labels}: label {y.max()}, expected 0 to {_NUM_CLASSES - 1}")
    return x[..., None], y


def read(path: pathlib.Path, ndim: int, max_bytes: int) -> np.ndarray:
    """Reads one IDX file of unsigned bytes.

    Args:
        path: path of the `.gz` file.
        ndim: number of dimensions that it must have.
        max_bytes: greatest size of its content.

    Returns:
        An array of uint8.

    Raises:
        UserError: it is no such file, or damaged.
    """
    data = gzipped.read(path, max_bytes)
    start = 4 * (1 + ndim)
    magic = bytes([0, 0, _UINT8, ndim])
    if data[:4] != magic or len(data) < start:
        raise UserError(
            f"{path}: starts with bytes {data[:4].hex(' ')}, expected {magic.hex(' ')} (IDX, unsigned "
            f"bytes, {ndim} dimensions): not the file that its name promises"
        )
    shape = tuple(map(int, np.frombuffer(data, ">u4", ndim, offset=4)))
    expected = int(np.prod(shape, dtype=object))
    if len(data) - start != expected:
        raise UserError(
            f"{path}: holds {len(data) - start} bytes of data, its header {shape} promises "
            f"{expected}: get it again"
        )
    if not expected:
        raise UserError(f"{path}: holds no data, its header says {shape}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
