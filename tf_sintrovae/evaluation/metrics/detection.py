"""Telling data of the training distribution from others by a score."""

import numpy as np
from sklearn.metrics import roc_auc_score


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Computes the probability that an example from inside scores higher than one from outside.

    Ties count half.

    Args:
        inside: [N] scores of data like those trained on, greater meaning more familiar.
        outside: [M] scores of other data.

    Raises:
        ValueError: a set is empty, or a score is not finite.
    """
    if not len(inside) or not len(outside):
        raise ValueError(f"{len(inside)} and {len(outside)} scores: expected some of each")
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    return float(roc_auc_score(labels, np.concatenate([inside, outside])))
