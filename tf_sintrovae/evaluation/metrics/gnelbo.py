"""The paper's grid-normalised ELBO of plane densities."""

import numpy as np

from tf_sintrovae.data.ranges import PlotRange


def grid(plot_range: PlotRange, size: int) -> np.ndarray:
    """Makes the points [size^2, 2] float32 of a lattice that fills a rectangle."""
    axes = [np.linspace(low, high, size, dtype=np.float32) for low, high in plot_range]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def normalise_by_grid(at_data: np.ndarray, at_grid: np.ndarray) -> float:
    """Divides the mean loss at the data by the sum of losses at grid and data; lower is better, quoted x1e7.

    Args:
        at_data: [N] negative ELBO (reconstruction error + KL) at data points.
        at_grid: [G] negative ELBO at points of a grid.

    Raises:
        ValueError: there are no data points, or the sum of losses is not positive.
    """
    total = np.sum(at_data, dtype=np.float64) + np.sum(at_grid, dtype=np.float64)
    if not len(at_data) or not total > 0:
        raise ValueError(f"{len(at_data)} points with losses of sum {total:g}: expected positive")
    return float(np.mean(at_data, dtype=np.float64) / total)
