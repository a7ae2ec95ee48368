"""Checks of the arrays of a data set in memory."""

import numpy as np

from tf_sintrovae.data import points
from tf_sintrovae.data.formats import pixels
from tf_sintrovae.data.source import Examples
from tf_sintrovae.errors import UserError

# More classes than this, and than examples, are not numbered from 0 on.
_MOST_CLASSES = 10_000


def count_classes(name: str, *labels: np.ndarray | None) -> int:
    """Counts the classes: one more than the highest label, 0 without labels.

    Args:
        name: name of the data set, for messages.
        *labels: labels [N] of each split; None for a split without labels.

    Raises:
        UserError: labels are no integers, or not numbered from 0 on.
    """
    given = [_to_integers(name, y) for y in labels if y is not None and len(y)]
    found = 1 + max((int(y.max()) for y in given), default=-1)
    most = max(_MOST_CLASSES, sum(map(len, given)))
    if found > most:
        raise UserError(
            f"data set {name!r}: labels up to {found - 1}: number the classes from 0 on"
        )
    return found


def check_split(name: str, x: np.ndarray, y: np.ndarray | None, num_classes: int) -> Examples:
    """Checks one split and returns it as it is stored.

    Args:
        name: name of the data set, for messages.
        x: [N, ...] examples.
        y: [N] integer labels; None without labels.
        num_classes: number of classes; 0 without labels.

    Returns:
        The examples, x uint8 or float32 and y int32.

    Raises:
        UserError: dtypes or values are wrong, or there are not as many labels as examples.
    """
    x = _check_examples(f"data set {name!r}", x)
    y = np.zeros(len(x), np.int32) if y is None else _to_integers(name, y)
    if y.shape != (len(x),):
        raise UserError(
            f"data set {name!r}: labels of shape {y.shape} for {len(x)} examples: "
            f"expected shape ({len(x)},)"
        )
    if len(y) and num_classes and not 0 <= y.min() <= y.max() < num_classes:
        raise UserError(
            f"data set {name!r}: labels from {y.min()} to {y.max()}: "
            f"expected 0 to {num_classes - 1}"
        )
    return Examples(x, y.astype(np.int32))


def _to_integers(name: str, labels: np.ndarray) -> np.ndarray:
    y = np.asarray(labels)
    if y.size and not np.issubdtype(y.dtype, np.integer):
        raise UserError(
            f"data set {name!r}: labels of dtype {y.dtype}: expected integers from 0 on"
        )
    return y


def _check_examples(where: str, x: np.ndarray) -> np.ndarray:
    if not len(x):
        return x
    if x.ndim == 4:
        return pixels.check_pixels(x, where)
    if not np.issubdtype(x.dtype, np.floating):
        raise UserError(
            f"{where}: examples of dtype {x.dtype}, which are not images: expected finite floats"
        )
    return points.check_floats(x, f"{where}: examples, which are not images,")
