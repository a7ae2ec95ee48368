"""Checks of arrays that come from a user's own files."""

import logging

import numpy as np

from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")

_CHANNELS = (1, 3)


def check_images(x: np.ndarray, where: str) -> np.ndarray:
    """Checks images and returns them as the rest of the package stores them.

    Args:
        x: images [N, H, W] or [N, H, W, C] with one or three channels; integers from 0 to 255, or floats
            from 0 to 1.
        where: name of the file and array, for messages.

    Returns:
        Images [N, H, W, C], uint8 (from integers) or float32 (from floats).

    Raises:
        UserError: the array is anything else; the message says what was seen.
    """
    if x.ndim == 3:
        _warn_of_channels(x.shape, where)
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in _CHANNELS or not x.size:
        raise UserError(
            f"{where} has shape {list(x.shape)}: expected [N, H, W], [N, H, W, 1] or [N, H, W, 3]"
        )
    return check_pixels(x, where)


def check_pixels(x: np.ndarray, where: str) -> np.ndarray:
    """Checks pixels and returns them as the rest of the package stores them.

    Args:
        x: pixels of any shape, integers from 0 to 255, or floats from 0 to 1.
        where: name of what holds them, for messages.

    Returns:
        Pixels, uint8 (from integers) or float32 (from floats).

    Raises:
        UserError: the array is anything else; the message says what was seen.
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


def number_labels(labels: list[np.ndarray], where: str) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Numbers the classes of labels, which may be any integers or text, from 0 on.

    Args:
        labels: [N] or [N, 1] labels of each split.
        where: name of the file, for messages.

    Returns:
        The labels as int32 [N] of each split, and the name of each class, in sorted order.

    Raises:
        UserError: labels are neither integers nor text, or a test split has no class of training.
    """
    for y in labels:
        if y.ndim not in (1, 2) or y.size != len(y) or y.dtype.kind not in "iuU":
            raise UserError(
                f"{where}: labels of dtype {y.dtype} and shape {list(y.shape)}: expected integers "
                "or text of shape [N]"
            )
    if len({y.dtype.kind == "U" for y in labels}) > 1:
        raise UserError(f"{where}: some labels are text, others integers: give one kind of them")
    found = [np.unique(y.ravel(), return_inverse=True) for y in labels]
    classes = [values.tolist() for values, _ in found]
    _compare_classes(classes, where)
    names = sorted(set().union(*classes))
    number = {name: i for i, name in enumerate(names)}
    numbers = [np.array([number[v] for v in values.tolist()], np.int32)[i] for values, i in found]
    return numbers, tuple(map(str, names))


def warn_of_bits(x: np.ndarray, where: str) -> None:
    """Warns of images of integers that are all 0 or 1: they would be nearly black."""
    if np.issubdtype(x.dtype, np.integer) and x.size and (x.min(), x.max()) == (0, 1):
        _logger.warning(
            "%s: its integers are all 0 or 1, which become 0 and 1/255: give floats, or multiply by 255",
            where,
        )


def _compare_classes(classes: list[list], where: str) -> None:
    train, test = classes[0], classes[-1]
    unseen = sorted(set(test) - set(train))
    if len(unseen) == len(test):
        raise UserError(
            f"{where}: no class of the test labels ({_some(test)}) is among those of training "
            f"({_some(train)}): give both the same classes, or no labels"
        )
    if unseen:
        _logger.warning("%s: test labels without training examples: %s", where, _some(unseen))


def _some(names: list) -> str:
    return ", ".join(repr(name)[:40] for name in names[:5]) + (", ..." if len(names) > 5 else "")


def _warn_of_channels(shape: tuple[int, ...], where: str) -> None:
    if shape[-1] in _CHANNELS:
        count, height, width = shape
        _logger.warning(
            "%s has shape %s: read as %d grey images of %dx%d pixels; a single image with channels "
            "would be [1, %d, %d, %d]",
            *(where, list(shape), count, width, height, *shape),
        )


def _require_range(x: np.ndarray, highest: int, where: str, expected: str) -> None:
    if x.min() < 0 or x.max() > highest:
        raise UserError(f"{where} holds values from {x.min()} to {x.max()}: expected {expected}")
