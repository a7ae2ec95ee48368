"""How well the prior's components agree with the classes."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def clustering_scores(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Measures the agreement of clusters with labels.

    Args:
        labels: [N] true classes.
        clusters: [N] cluster of each example, for instance its most responsible component.

    Returns:
        `cluster_accuracy` (each cluster matched with at most one class so that most examples agree: Hungarian
        matching), `cluster_nmi` (normalised by the arithmetic mean) and `cluster_ari`.

    Raises:
        ValueError: there are no examples, or different numbers of labels and clusters.
    """
    if len(labels) != len(clusters) or not len(labels):
        raise ValueError(
            f"{len(labels)} labels, {len(clusters)} clusters: expected one each, at least one"
        )
    counts = contingency_matrix(labels, clusters)  # [classes, clusters]
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return {
        "cluster_accuracy": float(matched / len(labels)),
        "cluster_nmi": float(normalized_mutual_info_score(labels, clusters)),
        "cluster_ari": float(adjusted_rand_score(labels, clusters)),
    }
