"""Clustering scores against every matching by hand, and entropies from contingency tables."""

import itertools

import numpy as np
import pytest

from tf_sintrovae.evaluation.metrics import clustering


def best_matching(labels, clusters, count):
    """The accuracy of the best of all one-to-one matchings."""
    return max(
        np.mean(np.array(order)[clusters] == labels)
        for order in itertools.permutations(range(count))
    )


def mutual_information(labels, clusters):
    """NMI by the arithmetic mean of entropies, from counts."""
    joint = np.histogram2d(labels, clusters, bins=(4, 4))[0] / len(labels)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    entropies = [-np.sum(p * np.log(p)) for p in (rows, columns)]
    inside = joint > 0
    information = np.sum(joint[inside] * np.log((joint / np.outer(rows, columns))[inside]))
    return information / np.mean(entropies)


def test_agrees_with_all_matchings_and_counts():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    clusters = np.where(rng.random(200) < 0.6, (labels + 1) % 4, rng.integers(0, 4, 200))
    metrics = clustering.clustering_scores(labels, clusters)
    assert metrics["cluster_accuracy"] == pytest.approx(best_matching(labels, clusters, 4))
    assert metrics["cluster_nmi"] == pytest.approx(mutual_information(labels, clusters))


def test_renamed_clusters_are_perfect_and_one_cluster_tells_nothing():
    labels = np.array([0, 0, 1, 1, 2, 2])
    perfect = clustering.clustering_scores(labels, (labels + 5) * 3)
    assert all(value == pytest.approx(1.0) for value in perfect.values())
    single = clustering.clustering_scores(labels, np.zeros(6, int))
    assert single == {"cluster_accuracy": pytest.approx(1 / 3), "cluster_nmi": 0, "cluster_ari": 0}


def test_more_clusters_than_classes_match_one_each():
    metrics = clustering.clustering_scores(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3]))
    assert metrics["cluster_accuracy"] == 0.5


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="2 labels, 3 clusters"):
        clustering.clustering_scores(np.zeros(2), np.zeros(3))
