"""Fidelity and diversity by nearest neighbours among features, in blocks of bounded memory.

Improved precision and recall (Kynkaanniemi et al. 2019) and density and coverage (Naeem et al. 2020).
"""

from collections.abc import Iterator

import numpy as np

# As the paper has them: of so many neighbours the example itself is the first.
PRECISION_NEIGHBOURS = 4
RECALL_NEIGHBOURS = 5
# Naeem et al.: the example itself does not count; nor does it in the scores at the counts in common use.
COVERAGE_NEIGHBOURS = 5
COMMON_NEIGHBOURS = (3, 5)
# Other examples that the balls around data and around samples reach to.
_REAL_BALLS = sorted({PRECISION_NEIGHBOURS - 1, COVERAGE_NEIGHBOURS, *COMMON_NEIGHBOURS})
_FAKE_BALLS = sorted({RECALL_NEIGHBOURS - 1, *COMMON_NEIGHBOURS})
FEWEST = 1 + max(_REAL_BALLS + _FAKE_BALLS)
_BLOCK_ELEMENTS = 2**24


def neighbour_counts() -> dict[str, int]:
    """Returns the k of the scores without a k in their name, as each counts it."""
    return {
        "precision_neighbours_with_itself": PRECISION_NEIGHBOURS,
        "recall_neighbours_with_itself": RECALL_NEIGHBOURS,
        "density_neighbours": COVERAGE_NEIGHBOURS,
        "coverage_neighbours": COVERAGE_NEIGHBOURS,
    }


def manifold_scores(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Measures how far the balls around examples of one set hold the other set.

    A ball around an example reaches to its k-th nearest neighbour in its own set; a point is inside where
    its distance is strictly smaller (so a set of equal points has no inside).

    Args:
        real: [N, D] features of the data.
        fake: [M, D] features of the samples.

    Returns:
        `precision` (fakes inside some real ball), `recall` (reals inside some fake ball), `density` (real
        balls around a fake, over k; may exceed 1) and `coverage` (real balls that hold a fake) at the
        paper's and Naeem et al.'s k (`neighbour_counts`); then `precision_k3` and so on, all four at k = 3
        and k = 5 others.

    Raises:
        ValueError: there are too few features, or different widths.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"features of shapes {real.shape}, {fake.shape}: expected the same network"
        )
    if min(len(real), len(fake)) < FEWEST:
        raise ValueError(
            f"{len(real)} and {len(fake)} examples: expected at least {FEWEST} of each"
        )
    # Distances come from inner products: centred, they lose fewer digits.
    centre = real.mean(axis=0, dtype=np.float64)
    scores = _scores(real - centre, fake - centre)  # float64
    metrics = {
        "precision": scores["precision", PRECISION_NEIGHBOURS - 1],
        "recall": scores["recall", RECALL_NEIGHBOURS - 1],
        "density": scores["density", COVERAGE_NEIGHBOURS],
        "coverage": scores["coverage", COVERAGE_NEIGHBOURS],
    }
    return metrics | {f"{n}_k{k}": scores[n, k] for k in COMMON_NEIGHBOURS for n in metrics}


def _scores(real: np.ndarray, fake: np.ndarray) -> dict[tuple[str, int], float]:
    """Each score at each number of other examples that a ball reaches to; distances are taken once."""
    real_radii, fake_radii = _squared_radii(real, _REAL_BALLS), _squared_radii(fake, _FAKE_BALLS)
    inside_real = {k: np.zeros(len(fake), bool) for k in _REAL_BALLS}
    inside_fake = {k: np.zeros(len(real), bool) for k in _FAKE_BALLS}
    covered, hits = (
        {k: np.zeros(len(real), bool) for k in _REAL_BALLS},
        dict.fromkeys(_REAL_BALLS, 0),
    )
    for rows, squared in _blocks(real, fake):  # [block, M]
        for k, radii in real_radii.items():
            within = squared < radii[rows, None]
            inside_real[k] |= within.any(axis=0)
            covered[k][rows] = within.any(axis=1)
            hits[k] += int(np.count_nonzero(within))
        for k, radii in fake_radii.items():
            inside_fake[k][rows] = (squared < radii).any(axis=1)
    scores = {("precision", k): float(inside.mean()) for k, inside in inside_real.items()}
    scores |= {("recall", k): float(inside.mean()) for k, inside in inside_fake.items()}
    scores |= {("density", k): float(count / (k * len(fake))) for k, count in hits.items()}
    return scores | {("coverage", k): float(found.mean()) for k, found in covered.items()}


def _squared_radii(points: np.ndarray, neighbours: list[int]) -> dict[int, np.ndarray]:
    """Squared distances [N] to the k-th nearest other example, for each k."""
    radii = np.empty((len(neighbours), len(points)))
    for rows, squared in _blocks(points, points):
        # Exactly zero, which rounding need not leave: the example itself is the first of its neighbours.
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = 0.0
        radii[:, rows] = np.partition(squared, neighbours, axis=1)[:, neighbours].T
    return dict(zip(neighbours, radii, strict=True))


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
