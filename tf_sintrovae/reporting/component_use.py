"""How a prior's components are used: `components.json` in a run's folder."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_sintrovae.evaluation.metrics import components
from tf_sintrovae.files import write_atomically
from tf_sintrovae.reporting.file_names import COMPONENTS

_MOST = 200  # components that the file tells of, the heaviest
_MOST_CLASSES = 100
_BLOCK = 2**22  # responsibilities that are held at once


def component_use(log_weights: np.ndarray, shares: np.ndarray) -> dict[str, Any]:
    """Summarises weights and responsibilities; inactive are the components that the metrics call so.

    Args:
        log_weights: [K] logarithms of the components' weights.
        shares: [C, K] of `class_shares`.

    Returns:
        `num_components`, `inactive` by weight, `inactive_by_responsibility`, and lists of the heaviest
        components: `components` (indices), `weights`, `responsibilities` (means over the examples) and, for
        several classes, `classes`: what each class has in a component's responsibility.
    """
    weights, mean = np.exp(np.asarray(log_weights, np.float64)), shares.sum(axis=0)
    heaviest = np.argsort(-weights, kind="stable")[:_MOST]
    counts = components.component_use(mean, weights)
    use: dict[str, Any] = {
        "num_components": len(weights),
        "inactive": int(counts["inactive_components"]),
        "inactive_by_responsibility": int(counts["inactive_components_by_responsibility"]),
        "components": heaviest.tolist(),
        "weights": _rounded(weights[heaviest]),
        "responsibilities": _rounded(mean[heaviest]),
    }
    if 1 < len(shares) <= _MOST_CLASSES:
        use["classes"] = [_rounded(row) for row in shares.T[heaviest]]
    return use


def class_shares(
    responsibilities: Callable[[np.ndarray], np.ndarray],
    z: np.ndarray,
    labels: np.ndarray,
    num_components: int,
) -> np.ndarray:
    """What each class has in the mean responsibility of each component.

    Args:
        responsibilities: function from latent vectors [B, L] to p(k|z) [B, K].
        z: [N, L] latent vectors of examples.
        labels: [N] their classes from 0 on.
        num_components: number of components, K.

    Returns:
        [C, K] float64 sums over the class's examples, divided by N: over the classes they sum to the mean.
    """
    sums = np.zeros((int(labels.max(initial=0)) + 1, num_components))
    size = max(1, _BLOCK // num_components)
    for start in range(0, len(z), size):
        rows = slice(start, start + size)
        np.add.at(sums, labels[rows], responsibilities(z[rows]))
    return sums / max(1, len(z))


def write(root: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `components.json` into the folder of a run, in one step."""
    write_atomically(root / COMPONENTS, json.dumps(content) + "\n")


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
