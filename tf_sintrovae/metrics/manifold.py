"""Fidelity and diversity by nearest neighbours among features, in blocks of bounded memory.

Improved precision and recall (Kynkaanniemi et al. 2019) and density and coverage (Naeem et al. 2020).
"""

from collections.abc import Iterator

import numpy as np

# As the paper has them: the point itself counts as its first neighbour.
PRECISION_NEIGHBOURS = 4
RECALL_NEIGHBOURS = 5
# Naeem et al.: the point itself does not count.
COVERAGE_NEIGHBOURS = 5
_BLOCK_ELEMENTS = 2**24


def manifold_scores(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """How far the balls around examples of one set hold the other set.

    A ball around an example reaches to its k-th nearest neighbour in its own set; a point is inside where
    its distance is strictly smaller (so a set of equal points has no inside).

    Args:
        real: [N, D] features of the data.
        fake: [M, D] of the samples.

    Returns:
        `precision` (fakes inside some real ball), `recall` (reals inside some fake ball), `density` (real
        balls around a fake, over k; may exceed 1) and `coverage` (real balls that hold a fake).

    Raises:
        ValueError: too few features, or different widths.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"features of shapes {real.shape}, {fake.shape}: expected the same network"
        )
    fewest = max(RECALL_NEIGHBOURS, COVERAGE_NEIGHBOURS + 1)
    if min(len(real), len(fake)) < fewest:
        raise ValueError(
            f"{len(real)} and {len(fake)} examples: expected at least {fewest} of each"
        )
    # Distances come from inner products: centred, they lose fewer digits.
    centre = real.mean(axis=0, dtype=np.float64)
    real, fake = real - centre, fake - centre  # float64
    precision_radii, coverage_radii = _squared_radii(
        real, PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS + 1
    )
    (recall_radii,) = _squared_radii(fake, RECALL_NEIGHBOURS)
    inside_real = np.zeros(len(fake), bool)
    inside_fake, covered, hits = np.zeros(len(real), bool), np.zeros(len(real), bool), 0
    for rows, squared in _blocks(real, fake):  # [block, M]
        inside_real |= (squared < precision_radii[rows, None]).any(axis=0)
        inside_fake[rows] = (squared < recall_radii).any(axis=1)
        within = squared < coverage_radii[rows, None]
        covered[rows], hits = within.any(axis=1), hits + np.count_nonzero(within)
    return {
        "precision": float(inside_real.mean()),
        "recall": float(inside_fake.mean()),
        "density": float(hits / (COVERAGE_NEIGHBOURS * len(fake))),
        "coverage": float(covered.mean()),
    }


def _squared_radii(points: np.ndarray, *neighbours: int) -> list[np.ndarray]:
    """Squared distances [N] to the k-th neighbours, the point itself counted as the first."""
    radii = np.empty((len(neighbours), len(points)))
    indices = [k - 1 for k in neighbours]
    for rows, squared in _blocks(points, points):
        # Exactly zero, which rounding need not leave.
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = 0.0
        radii[:, rows] = np.partition(squared, indices, axis=1)[:, indices].T
    return list(radii)


def _blocks(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of x and their squared distances [rows, M] to all of y."""
    squares_x, squares_y = (np.einsum("nd,nd->n", v, v) for v in (x, y))
    size = max(1, _BLOCK_ELEMENTS // len(y))
    for start in range(0, len(x), size):
        rows = slice(start, min(start + size, len(x)))
        squared = x[rows] @ y.T
        squared *= -2.0
        squared += squares_x[rows, None]
        squared += squares_y
        yield rows, np.maximum(squared, 0.0, out=squared)
