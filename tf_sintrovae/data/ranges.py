"""The part of the plane that figures and histograms of points span."""

import numpy as np

# ((low, high), (low, high)): of the first and of the second coordinate.
PlotRange = tuple[tuple[float, float], tuple[float, float]]

# Share of the points, at either end of a coordinate, that may lie outside.
_TAIL = 0.0005
_MARGIN = 0.05
# Half a width, as a share of the coordinate's size, under which float32 has too few numbers in between.
_LEAST_HALF = 1e-6


def square(limit: float) -> PlotRange:
    """The square of +-limit."""
    return ((-limit, limit), (-limit, limit))


def fit(points: np.ndarray) -> PlotRange:
    """Fits a range to a sample: its middle 99.9 % in each coordinate, and a twentieth more at either end.

    Args:
        points: [N, 2] points, at least one.

    Returns:
        A range with a width in each coordinate, also where all points agree in it.
    """
    first, second = np.asarray(points, np.float64).T
    return _interval(first), _interval(second)


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL))
    middle = 0.5 * (low + high)
    half = max((0.5 + _MARGIN) * (high - low), _LEAST_HALF * abs(middle)) or 0.5
    return float(middle - half), float(middle + half)
