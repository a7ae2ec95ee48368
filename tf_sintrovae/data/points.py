"""Checks of a user's own points: rows of coordinates, which are not images."""

import logging

import numpy as np

from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")

# Coordinates that vary by more and are smaller than this (a root mean square) train well as they are.
_LEAST_SPREAD = 0.01
_MOST_SIZE = 100.0


def check_points(x: np.ndarray, where: str) -> np.ndarray:
    """Returns points as the rest of the package stores them; warns of coordinates of unusual scale.

    Args:
        x: [N, D] points, floats.
        where: name of the file and array, for messages.

    Returns:
        Points [N, D] float32.

    Raises:
        UserError: the array is anything else; the message says what was seen.
    """
    if not np.issubdtype(x.dtype, np.floating):
        raise UserError(
            f"{where} has shape {list(x.shape)} and dtype {x.dtype}: points [N, D] are floats "
            "(x.astype('float32')), images are [N, H, W]; a single image is no data set"
        )
    if not x.size:
        raise UserError(f"{where} has shape {list(x.shape)}: expected points [N, D]")
    points = check_floats(x, where)
    _warn_of_scales(points, where)
    return points


def check_floats(x: np.ndarray, where: str) -> np.ndarray:
    """Returns floats of any shape as float32.

    Raises:
        UserError: it holds values that float32 cannot.
    """
    with np.errstate(over="ignore"):
        values = x.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        count = int(values.size - np.isfinite(values).sum())
        raise UserError(
            f"{where} holds {count} values that are NaN or infinite as float32: remove them"
        )
    return values


def _warn_of_scales(points: np.ndarray, where: str) -> None:
    sizes = np.sqrt(np.mean(np.square(points, dtype=np.float64), axis=0))
    odd = (points.std(axis=0, dtype=np.float64) < _LEAST_SPREAD) | (sizes > _MOST_SIZE)
    if odd.any():
        _logger.warning(
            "%s: %d of %d coordinates hardly vary (standard deviation under %g) or are large (over %g), the "
            "first one is number %d: points near zero and of unit scale train best",
            *(where, odd.sum(), len(odd), _LEAST_SPREAD, _MOST_SIZE, odd.argmax()),
        )
