"""The paper's grid-normalised ELBO of plane densities."""

import numpy as np


def grid(limit: float, size: int) -> np.ndarray:
    """The points [size^2, 2] float32 of a square lattice that fills [-limit, limit]^2."""
    axis = np.linspace(-limit, limit, size, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def grid_normalised(at_data: np.ndarray, at_grid: np.ndarray) -> float:
    """Mean loss at the data over the sum of losses at grid and data; lower is better, quoted x1e7.

    Args:
        at_data: [N] negative ELBO (reconstruction error + KL) at data points.
        at_grid: [G] the same at points of a grid.

    Raises:
        ValueError: no data points, or losses whose sum is not positive.
    """
    total = np.sum(at_data, dtype=np.float64) + np.sum(at_grid, dtype=np.float64)
    if not len(at_data) or not total > 0:
        raise ValueError(f"{len(at_data)} points with losses of sum {total:g}: expected positive")
    return float(np.mean(at_data, dtype=np.float64) / total)
