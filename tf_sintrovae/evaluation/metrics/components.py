"""Use of the prior's components: inactive ones, entropy of the assignment."""

import numpy as np


def component_use(mean_responsibilities: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Counts inactive components, and takes the entropy of the mean responsibilities.

    Args:
        mean_responsibilities: [K] mean of p(k|z) over posterior samples of the data.
        weights: [K] weights of the components.

    Returns:
        `inactive_components` (weight under 1/K^2, as in the authors' plots),
        `inactive_components_by_responsibility` (mean responsibility under 1/K^2, as in their scripts) and
        `assignment_entropy` of the whole set, divided by log K (0 for K = 1).
    """
    threshold = 1.0 / len(weights) ** 2
    return {
        "inactive_components": float(np.count_nonzero(weights < threshold)),
        "inactive_components_by_responsibility": float(
            np.count_nonzero(mean_responsibilities < threshold)
        ),
        "assignment_entropy": normalised_entropy(mean_responsibilities),
    }


def normalised_entropy(probabilities: np.ndarray) -> float:
    """Computes `-sum p log p / log K` along the last axis of [K] probabilities; 0 for K = 1."""
    if probabilities.shape[-1] == 1:
        return 0.0
    positive = probabilities[probabilities > 0]
    return float(-np.sum(positive * np.log(positive)) / np.log(probabilities.shape[-1]))


def batch_entropy(mean_responsibilities: np.ndarray, sizes: np.ndarray) -> float:
    """Computes the paper's assignment entropy: the mean of batches' normalised entropies, over examples.

    It depends on the size of the batches: few examples can not use many components. Examples that use one
    of K = 100 components each, all equally often, reach 0.71 in batches of 32 and 0.90 in batches of 128.

    Args:
        mean_responsibilities: [batches, K] mean responsibilities of each batch.
        sizes: [batches] numbers of examples of each; the last batch may hold fewer.
    """
    entropies = [normalised_entropy(batch) for batch in mean_responsibilities]
    return float(np.average(entropies, weights=sizes))
