"""Latent units that carry something about the data (Burda et al. 2016)."""

import numpy as np

THRESHOLD = 0.01


def active_units(mean: np.ndarray) -> dict[str, float]:
    """Counts units whose posterior mean varies over the data.

    Args:
        mean: [N, L] posterior means.

    Returns:
        `active_units`, those with variance over 0.01, and `active_units_share` of all.

    Raises:
        ValueError: there are fewer than two examples.
    """
    if len(mean) < 2:
        raise ValueError(f"{len(mean)} examples: expected at least 2")
    active = np.var(mean, axis=0, dtype=np.float64) > THRESHOLD
    return {"active_units": float(active.sum()), "active_units_share": float(active.mean())}
