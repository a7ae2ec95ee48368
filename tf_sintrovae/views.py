"""How points of any number of coordinates are laid on a plane, for figures."""

import dataclasses

import numpy as np

from tf_sintrovae.data import ranges
from tf_sintrovae.data.source import Source

_NUM_POINTS = 5000


@dataclasses.dataclass(frozen=True)
class View:
    """A linear map of examples `[N, *shape]` to the plane, chosen by the data and used for all samples alike.

    Attributes:
        centre: [D] point that is subtracted first.
        axes: [D, 2] axes of the plane, or [D, 1] for numbers, which are spread at random along the second.
        plot_range: part of the plane that the data span.
    """

    centre: np.ndarray
    axes: np.ndarray
    plot_range: ranges.PlotRange

    @classmethod
    def fit(cls, source: Source, seed: int) -> "View":
        """Fits the view of points: the plane as it is, or the two principal axes of training examples.

        Args:
            source: data set that is not of images.
            seed: seed of the choice of examples.
        """
        if source.plot_range is not None:
            centre, axes = _identity(2)
            return cls(centre, axes, source.plot_range)
        x = _rows(source.examples("train", _NUM_POINTS, seed).x)
        centre, axes = principal_axes(x)
        view = cls(centre, axes, ranges.square(1.0))
        return dataclasses.replace(view, plot_range=ranges.fit(view(x)))

    @property
    def is_line(self) -> bool:
        """Whether examples are single numbers."""
        return self.axes.shape[1] == 1

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Lays examples [N, *shape] on the plane, [N, 2]."""
        projected = (_rows(x) - self.centre) @ self.axes
        if self.is_line:
            spread = np.random.default_rng(0).uniform(size=(len(x), 1))
            return np.concatenate([projected, spread], axis=1)
        return projected


def principal_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the mean [D] and the two leading principal axes [D, 2]; the space itself when D is at most 2."""
    if points.shape[1] <= 2:
        return _identity(points.shape[1])
    centre = points.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(points - centre, full_matrices=False)[2][:2].T
    # A single point has no second axis.
    return centre, np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))


def _identity(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(size), np.eye(size)


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
