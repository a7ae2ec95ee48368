"""How well samples cover modes whose centres are known."""

import numpy as np


def mode_coverage(
    samples: np.ndarray, centres: np.ndarray, radius: float = 0.15
) -> dict[str, float]:
    """Computes the shares of the samples at each mode.

    Args:
        samples: [N, D] samples of the model.
        centres: [C, D] centres of the modes.
        radius: greatest distance from a centre of a sample that counts as of high quality.

    Returns:
        `high_quality_share` of all samples; `mode_min_share` and `mode_max_share`, the least and greatest
        share of all samples that lie within `radius` of one centre.
    """
    distance = np.linalg.norm(samples[:, None] - centres, axis=-1)  # [N, C]
    nearest, close = distance.argmin(axis=1), distance.min(axis=1) <= radius
    shares = np.bincount(nearest[close], minlength=len(centres)) / len(samples)
    return _summary(shares, close)


def ring_coverage(samples: np.ndarray, radii: np.ndarray, width: float = 0.25) -> dict[str, float]:
    """Computes the same for concentric rings around the origin.

    Args:
        samples: [N, 2] samples of the model.
        radii: [C] radii of the rings.
        width: greatest distance from a ring of a sample that counts as of high quality (three standard
            deviations of the `rings` data).
    """
    distance = np.abs(np.linalg.norm(samples, axis=1)[:, None] - radii)  # [N, C]
    nearest, close = distance.argmin(axis=1), distance.min(axis=1) <= width
    shares = np.bincount(nearest[close], minlength=len(radii)) / len(samples)
    return _summary(shares, close)


def _summary(shares: np.ndarray, close: np.ndarray) -> dict[str, float]:
    return {
        "high_quality_share": float(np.mean(close)),
        "mode_min_share": float(shares.min()),
        "mode_max_share": float(shares.max()),
    }
