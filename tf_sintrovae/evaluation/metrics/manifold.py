"""Fidelity and diversity by nearest neighbours among features, in blocks of bounded memory.

Improved precision and recall (Kynkaanniemi et al. 2019) and density and coverage (Naeem et al. 2020).
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from tf_sintrovae.evaluation.progress import Track, untracked
from tf_sintrovae.evaluation.threads import map_in_threads

T = TypeVar("T")

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
_BLOCK_ELEMENTS = 2**22  # a block and its comparisons in each thread


def neighbour_counts() -> dict[str, int]:
    """Returns the k of the scores without a k in their name, as each counts it."""
    return {
        "precision_neighbours_with_itself": PRECISION_NEIGHBOURS,
        "recall_neighbours_with_itself": RECALL_NEIGHBOURS,
        "density_neighbours": COVERAGE_NEIGHBOURS,
        "coverage_neighbours": COVERAGE_NEIGHBOURS,
    }


def manifold_scores(
    real: np.ndarray,
    fake: np.ndarray,
    track: Track = untracked,
    remember: Callable[[Callable[[], np.ndarray]], np.ndarray] = lambda search: search(),
) -> dict[str, float]:
    """Measures how far the balls around examples of one set hold the other set.

    A ball around an example reaches to its k-th nearest neighbour in its own set; a point is inside where
    its distance is strictly smaller (so a set of equal points has no inside).

    Args:
        real: [N, D] features of the data.
        fake: [M, D] features of the samples.
        track: function that passes items on and tells how many of a stage are done.
        remember: function that calls a search among the data's neighbours, or returns what it gave
            before for the same data.

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
    scores = _scores(real - centre, fake - centre, track, remember)  # float64
    metrics = {
        "precision": scores["precision", PRECISION_NEIGHBOURS - 1],
        "recall": scores["recall", RECALL_NEIGHBOURS - 1],
        "density": scores["density", COVERAGE_NEIGHBOURS],
        "coverage": scores["coverage", COVERAGE_NEIGHBOURS],
    }
    return metrics | {f"{n}_k{k}": scores[n, k] for k in COMMON_NEIGHBOURS for n in metrics}


def _scores(
    real: np.ndarray, fake: np.ndarray, track: Track, remember: Callable
) -> dict[tuple[str, int], float]:
    """Each score at each number of other examples that a ball reaches to; distances are taken once."""
    real_radii = remember(
        lambda: _squared_radii(real, _REAL_BALLS, track, "neighbours of real images")
    )
    fake_radii = _squared_radii(fake, _FAKE_BALLS, track, "neighbours of samples")
    distances = _Distances(real, fake)
    # A ball without an inside must not hold a point whose distance of zero rounding made negative.
    real_limits, fake_limits = (np.where(r > 0.0, r, -np.inf) for r in (real_radii, fake_radii))

    def compare(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        squared = distances(rows)  # [rows, M]
        within = [squared < limits[rows, None] for limits in real_limits]
        return (
            np.array([w.any(axis=0) for w in within]),
            np.array([np.count_nonzero(w, axis=1) for w in within]),
            np.array([(squared < limits).any(axis=1) for limits in fake_limits]),
        )

    inside_real = np.zeros((len(_REAL_BALLS), len(fake)), bool)
    hits, inside_fake = [], []  # by block: [k, rows]
    for found, counts, inside in distances.map(compare, track, "samples among real images"):
        inside_real |= found
        hits.append(counts)
        inside_fake.append(inside)
    fakes_held = np.concatenate(hits, axis=1)  # [k, N]
    scores = _means("precision", _REAL_BALLS, inside_real)
    scores |= _means("recall", _FAKE_BALLS, np.concatenate(inside_fake, axis=1))
    scores |= _means("coverage", _REAL_BALLS, fakes_held > 0)
    density = fakes_held.sum(axis=1) / (np.array(_REAL_BALLS) * len(fake))
    return scores | {("density", k): float(d) for k, d in zip(_REAL_BALLS, density, strict=True)}


def _means(name: str, balls: list[int], values: np.ndarray) -> dict[tuple[str, int], float]:
    """Means of values [k, N] over the examples."""
    return {(name, k): float(v.mean()) for k, v in zip(balls, values, strict=True)}


def _squared_radii(
    points: np.ndarray, neighbours: list[int], track: Track, stage: str
) -> np.ndarray:
    """Squared distances [k, N] to the k-th nearest other example, for each k."""
    distances = _Distances(points, points)

    def radii(rows: slice) -> np.ndarray:
        squared = distances(rows)
        # The example itself is the first of its neighbours, whatever rounding makes of a distance of zero.
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = -np.inf
        furthest = max(neighbours)
        squared.partition(furthest, axis=1)
        nearest = np.sort(squared[:, : furthest + 1], axis=1)
        return np.maximum(nearest[:, neighbours], 0.0)

    return np.concatenate(list(distances.map(radii, track, stage))).T


class _Distances:
    """Squared distances from the rows of x [N, D] to all of y [M, D], in blocks of bounded memory.

    All of |x|² - 2 x·y + |y|² is one matrix product, of vectors with two more entries: each further pass over
    a block would cost as much. Rounding may make a distance of zero negative.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        squares_x, squares_y = (np.einsum("nd,nd->n", v, v)[:, None] for v in (x, y))
        self._x = np.concatenate([-2.0 * x, squares_x, np.ones_like(squares_x)], axis=1)
        self._y = np.concatenate([y, np.ones_like(squares_y), squares_y], axis=1)

    def __call__(self, rows: slice) -> np.ndarray:
        """Squared distances [rows, M] of some rows."""
        return self._x[rows] @ self._y.T

    def map(self, function: Callable[[slice], T], track: Track, stage: str) -> Iterator[T]:
        """Applies a function to blocks of rows, in threads."""
        size = max(1, _BLOCK_ELEMENTS // len(self._y))
        count = len(self._x)
        blocks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
        return track(map_in_threads(function, blocks), stage, len(blocks))
