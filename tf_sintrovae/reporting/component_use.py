"""How a prior's components are used: `components.json` in a run's folder."""

import json
import pathlib
from typing import Any

import numpy as np

from tf_sintrovae.files import write_atomically

FILE = "components.json"
_MOST = 200  # components that the file tells of, the heaviest
_MOST_CLASSES = 100


def component_use(
    log_weights: np.ndarray, responsibilities: np.ndarray, labels: np.ndarray | None = None
) -> dict[str, Any]:
    """Summarises weights and responsibilities; a component is inactive with less than 1/K² of either.

    Args:
        log_weights: [K] logarithms of the components' weights.
        responsibilities: [N, K] of test examples.
        labels: [N] their classes from 0 on; None where there are none.

    Returns:
        `num_components`, `inactive` by weight, `inactive_by_responsibility`, and lists of the heaviest
        components: `components` (indices), `weights`, `responsibilities` (means over the examples) and, with
        labels, `classes` (for each component the mean responsibility over each class, times the share of
        the class, so that it sums to the component's).
    """
    weights = np.exp(np.asarray(log_weights, np.float64))
    mean = responsibilities.mean(axis=0, dtype=np.float64)
    heaviest = np.argsort(-weights, kind="stable")[:_MOST]
    limit = 1.0 / len(weights) ** 2
    use: dict[str, Any] = {
        "num_components": len(weights),
        "inactive": int(np.sum(weights < limit)),
        "inactive_by_responsibility": int(np.sum(mean < limit)),
        "components": heaviest.tolist(),
        "weights": _rounded(weights[heaviest]),
        "responsibilities": _rounded(mean[heaviest]),
    }
    if labels is not None and 1 < labels.max(initial=0) + 1 <= _MOST_CLASSES:
        use["classes"] = [_rounded(row) for row in _by_class(responsibilities, labels)[heaviest]]
    return use


def write(root: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `components.json` into the folder of a run, in one step."""
    write_atomically(root / FILE, json.dumps(content) + "\n")


def _by_class(responsibilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[K, C] responsibilities of each class's examples, summed and divided by the number of all examples."""
    members = np.eye(int(labels.max()) + 1)[labels]  # [N, C]
    return responsibilities.T.astype(np.float64) @ members / len(labels)


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
