"""SVHN's cropped digits, MATLAB files of `X [32, 32, 3, N]` and `y [N, 1]` from 1 to 10."""

import pathlib

import numpy as np
import scipy.io

from tf_sintrovae.errors import UserError


def read_split(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads one `.mat` file.

    Args:
        path: of `train_32x32.mat` or `test_32x32.mat`.

    Returns:
        x [N, 32, 32, 3] uint8 and y [N] uint8, the digits themselves (SVHN writes 0 as 10).

    Raises:
        UserError: damaged, or not such a file.
    """
    try:
        content = scipy.io.loadmat(path, variable_names=["X", "y"])
    except Exception as error:  # damaged files raise almost anything
        raise UserError(f"{path}: damaged MATLAB file ({error!r}): get it again") from error
    if "X" not in content or "y" not in content:
        raise UserError(f"{path}: holds no variables X and y: not SVHN's cropped digits")
    x, y = content["X"], content["y"].ravel()
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3):
        raise UserError(f"{path}: X is {x.dtype} {list(x.shape)}, expected uint8 [32, 32, 3, N]")
    if len(y) != x.shape[-1]:
        raise UserError(f"{path}: {len(y)} labels for {x.shape[-1]} images")
    if not len(y) or y.min() < 1 or y.max() > 10:
        seen = f"from {y.min()} to {y.max()}" if len(y) else "missing"
        raise UserError(f"{path}: labels {seen}, expected 1 to 10")
    return np.ascontiguousarray(np.moveaxis(x, -1, 0)), (y % 10).astype(np.uint8)
