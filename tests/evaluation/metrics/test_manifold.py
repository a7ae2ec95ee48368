"""Manifold scores against scikit-learn's neighbours and by hand."""

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from tf_sintrovae.evaluation.metrics import manifold

RNG = np.random.default_rng(0)
REAL, FAKE = 50 + RNG.normal(size=(200, 5)), 50 + RNG.normal(0.5, 0.9, size=(150, 5))


def radii(points, k):
    """Distance to the k-th neighbour, the point itself being the first."""
    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(points)[0][:, -1]


def reference(real, fake):
    """Radii count the point itself: one more than the k of others."""
    distances = pairwise_distances(real, fake)  # [N, M]

    def scores(real_neighbours, fake_neighbours, covering):
        within = distances < radii(real, covering)[:, None]
        return {
            "precision": (distances < radii(real, real_neighbours)[:, None]).any(axis=0).mean(),
            "recall": (distances < radii(fake, fake_neighbours)).any(axis=1).mean(),
            "density": within.sum() / ((covering - 1) * len(fake)),
            "coverage": within.any(axis=1).mean(),
        }

    common = {f"{n}_k{k}": v for k in (3, 5) for n, v in scores(k + 1, k + 1, k + 1).items()}
    return scores(4, 5, 6) | common


@pytest.mark.parametrize("block", [2**24, 1000, 1])
def test_agrees_with_scikit_learn_in_blocks_of_any_size(monkeypatch, block):
    monkeypatch.setattr(manifold, "_BLOCK_ELEMENTS", block)
    metrics = manifold.manifold_scores(REAL, FAKE)
    assert metrics == pytest.approx(reference(REAL, FAKE), abs=1e-12)
    assert 0 < metrics["recall"] < metrics["precision"] < 1  # the case tells them apart


def test_one_dimension_by_hand():
    """Reals at 0..9: balls reach the fourth neighbour, the point itself first: 2 inside, 3 at the rim."""
    real = np.arange(10.0)[:, None]
    fake = np.array([[-2.9], [-3.1], [4.5], [12.1], [30.0], [31.0]])
    metrics = manifold.manifold_scores(real, fake)
    assert metrics["precision"] == pytest.approx(2 / 6)  # -2.9 (ball of 0 reaches 3) and 4.5
    # Fakes' fifth neighbours are far: every real is inside some ball of theirs.
    assert metrics["recall"] == 1.0


def test_scores_say_what_they_count():
    assert manifold.neighbour_counts() == {
        "precision_neighbours_with_itself": 4,
        "recall_neighbours_with_itself": 5,
        "density_neighbours": 5,
        "coverage_neighbours": 5,
    }


def test_identical_sets_are_perfect_and_distant_ones_apart():
    same = manifold.manifold_scores(REAL, REAL)
    assert same["precision"] == same["recall"] == same["coverage"] == 1.0
    apart = manifold.manifold_scores(REAL, FAKE + 1e3)
    assert set(apart.values()) == {0.0}


def test_constant_features_have_no_inside():
    """All radii are 0 and the comparison is strict."""
    metrics = manifold.manifold_scores(np.ones((20, 3)), np.ones((20, 3)))
    assert set(metrics.values()) == {0.0}


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="1 and 150 examples: expected at least 6"):
        manifold.manifold_scores(REAL[:1], FAKE)
    with pytest.raises(ValueError, match="expected the same network"):
        manifold.manifold_scores(REAL[:, :2], FAKE)
