"""Checks of arrays that come from a user's own files."""

import numpy as np

from tf_sintrovae.errors import UserError


def checked_images(x: np.ndarray, where: str) -> np.ndarray:
    """Images as the rest of the package stores them.

    Args:
        x: [N, H, W] or [N, H, W, C] with one or three channels; integers from 0 to 255, or floats
            from 0 to 1.
        where: the file and array, for messages.

    Returns:
        [N, H, W, C] uint8 (from integers) or float32 (from floats).

    Raises:
        UserError: anything else; the message says what was seen.
    """
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or not x.size:
        raise UserError(
            f"{where} has shape {list(x.shape)}: expected [N, H, W], [N, H, W, 1] or [N, H, W, 3]"
        )
    return checked_pixels(x, where)


def checked_pixels(x: np.ndarray, where: str) -> np.ndarray:
    """Pixels as the rest of the package stores them.

    Args:
        x: integers from 0 to 255, or floats from 0 to 1, of any shape.
        where: what holds them, for messages.

    Returns:
        uint8 (from integers) or float32 (from floats).

    Raises:
        UserError: anything else; the message says what was seen.
    """
    if np.issubdtype(x.dtype, np.integer):
        _require_range(x, 255, where, "integers from 0 to 255")
        return x.astype(np.uint8, copy=False)
    if not np.issubdtype(x.dtype, np.floating):
        raise UserError(f"{where} has dtype {x.dtype}: expected integers or floats")
    if not np.isfinite(x).all():
        count = int(np.size(x) - np.isfinite(x).sum())
        raise UserError(f"{where} holds {count} values that are NaN or infinite: remove them")
    _require_range(x, 1, where, "floats from 0 to 1 (or integers from 0 to 255)")
    return x.astype(np.float32, copy=False)


def numbered_labels(labels: list[np.ndarray], where: str) -> tuple[list[np.ndarray], tuple]:
    """Numbers the classes of labels, which may be any integers or text, from 0 on.

    Args:
        labels: [N] or [N, 1] of each split.
        where: the file, for messages.

    Returns:
        The labels as int32 [N] of each split, and the name of each class, in sorted order.

    Raises:
        UserError: labels that are neither integers nor text.
    """
    for y in labels:
        if y.ndim not in (1, 2) or y.size != len(y) or y.dtype.kind not in "iuU":
            raise UserError(
                f"{where}: labels of dtype {y.dtype} and shape {list(y.shape)}: expected integers "
                "or text of shape [N]"
            )
    names = np.unique(np.concatenate([y.ravel() for y in labels]))
    numbers = [np.searchsorted(names, y.ravel()).astype(np.int32) for y in labels]
    return numbers, tuple(map(str, names))


def _require_range(x: np.ndarray, highest: int, where: str, expected: str) -> None:
    if x.min() < 0 or x.max() > highest:
        raise UserError(f"{where} holds values from {x.min()} to {x.max()}: expected {expected}")
