"""SVHN's cropped digits, MATLAB files of `X [32, 32, 3, N]` and `y [N, 1]` from 1 to 10."""

import pathlib

import numpy as np
import scipy.io

from tf_sintrovae.data.formats import sizes
from tf_sintrovae.data.formats.splits import LabelledImages
from tf_sintrovae.errors import UserError


def read_split(path: pathlib.Path, max_bytes: int) -> LabelledImages:
    """Reads one `.mat` file.

    Args:
        path: path of `train_32x32.mat` or `test_32x32.mat`.
        max_bytes: greatest size of its images.

    Returns:
        Images x [N, 32, 32, 3] uint8 and labels y [N] uint8, the digits themselves (SVHN writes 0 as 10).

    Raises:
        UserError: it is damaged, no such file, or too big.
    """
    try:
        claimed = max((int(np.prod(v[1], dtype=object)) for v in scipy.io.whosmat(path)), default=0)
        sizes.require_within(claimed, max_bytes, str(path))  # a byte a value, at least
        content = scipy.io.loadmat(path, variable_names=["X", "y"])
    except UserError:
        raise
    except Exception as error:  # damaged files raise almost anything
        raise UserError(f"{path}: damaged MATLAB file ({error!r}): get it again") from error
    if "X" not in content or "y" not in content:
        raise UserError(f"{path}: holds no variables X and y: not SVHN's cropped digits")
    x, y = content["X"], content["y"]
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray) or y.dtype.kind not in "iuf":
        raise UserError(f"{path}: X and y are not arrays of numbers: not SVHN's cropped digits")
    y = y.ravel()
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3):
        raise UserError(f"{path}: X is {x.dtype} {list(x.shape)}, expected uint8 [32, 32, 3, N]")
    if len(y) != x.shape[-1]:
        raise UserError(f"{path}: {len(y)} labels for {x.shape[-1]} images")
    if not len(y) or not (y.min() >= 1 and y.max() <= 10 and np.all(y == np.floor(y))):
        seen = f"from {y.min()} to {y.max()}" if len(y) else "missing"
        raise UserError(f"{path}: labels {seen}, expected 1 to 10")
    return np.ascontiguousarray(np.moveaxis(x, -1, 0)), (y % 10).astype(np.uint8)
