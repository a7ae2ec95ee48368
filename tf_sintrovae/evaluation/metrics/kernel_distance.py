"""Kernel distance between sets of features (Binkowski et al. 2018; the "KID" of a feature network)."""

import numpy as np


def kernel_distance(
    real: np.ndarray, fake: np.ndarray, seed: int = 0, num_subsets: int = 100, size: int = 1000
) -> dict[str, float]:
    """Estimates without bias the squared maximum mean discrepancy under the kernel `(x.y / D + 1)^3`.

    Averaged over random subsets, as usual; where the sets are no larger than a subset, one estimate on all
    of them would do, and the subsets are halves of the smaller set instead, so that there is an error.

    Args:
        real: [N, D] features of the data.
        fake: [M, D] features of the samples.
        seed: seed of the choice of subsets.
        num_subsets: number of subsets.
        size: number of features of each set in a subset.

    Returns:
        `kernel` (may be slightly negative) and `kernel_error`, the standard error over subsets.

    Raises:
        ValueError: there are too few features, or different widths.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(
            f"features of shapes {real.shape}, {fake.shape}: expected the same network"
        )
    smaller = min(len(real), len(fake))
    size = size if size < smaller else smaller // 2
    if size < 2:
        raise ValueError(f"{len(real)} and {len(fake)} examples: expected at least 4 of each")
    generator = np.random.default_rng([seed, 1])
    estimates = [
        squared_mmd(
            real[generator.choice(len(real), size, replace=False)],
            fake[generator.choice(len(fake), size, replace=False)],
        )
        for _ in range(num_subsets)
    ]
    error = np.std(estimates, ddof=1) / np.sqrt(num_subsets)
    return {"kernel": float(np.mean(estimates)), "kernel_error": float(error)}


def standardise(
    real: np.ndarray, *sets: np.ndarray, least_share: float = 0.1
) -> tuple[np.ndarray, ...]:
    """Shifts and scales sets of features so that each feature of the data has mean 0 and variance 1.

    The kernel's value depends on the scale of the features; that of a network trained on the data at hand
    means nothing.

    Args:
        real: [N, D] features of the data, which give mean and scale.
        *sets: [M, D] features to be treated alike.
        least_share: least divisor of a feature, as a share of the mean standard deviation. Units
            that hardly ever fire in the data would otherwise decide all by a single example, and constant
            ones would divide by zero.

    Returns:
        The sets, [M, D] float32.
    """
    mean, deviation = real.mean(axis=0, dtype=np.float64), real.std(axis=0, dtype=np.float64)
    scale = np.maximum(deviation, least_share * deviation.mean() or 1.0)
    return tuple(((features - mean) / scale).astype(np.float32) for features in sets)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Estimates without bias between x [N, D] and y [M, D]: no example is paired with itself."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return _mean_off_diagonal(x) + _mean_off_diagonal(y) - 2.0 * float(_kernel(x, y).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1.0
    return base * base * base  # many times faster than ** 3


def _mean_off_diagonal(x: np.ndarray) -> float:
    kernel, count = _kernel(x, x), len(x)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
