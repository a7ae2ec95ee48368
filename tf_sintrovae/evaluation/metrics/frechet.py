"""Frechet distance between Gaussians fitted to features (Heusel et al. 2017, "FID")."""

import numpy as np

_NEGATIVE_TOLERANCE = 1e-6


class GaussianStatistics:
    """Mean and covariance of features that arrive in batches, in float64 and memory of [D, D].

    Batches are merged by the pairwise update of Chan et al. (1979), which stays accurate where the mean is
    large against the spread.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: np.ndarray | None = None  # [D]
        self._scatter: np.ndarray | None = None  # [D, D] sum of outer products around the mean

    def update(self, features: np.ndarray) -> "GaussianStatistics":
        """Adds features [N, D]; returns itself.

        Raises:
            ValueError: the features are not a finite matrix of the same width as before.
        """
        batch = np.asarray(features, np.float64)
        if batch.ndim != 2 or not np.isfinite(batch).all():
            raise ValueError(f"features of shape {batch.shape}: expected a finite matrix [N, D]")
        if not len(batch):
            return self
        mean = batch.mean(axis=0)
        centred = batch - mean
        self._merge(len(batch), mean, centred.T @ centred)
        return self

    def _merge(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if self._mean is None or self._scatter is None:
            self.count, self._mean, self._scatter = count, mean, scatter
            return
        if mean.shape != self._mean.shape:
            raise ValueError(f"{mean.size} features a row: expected {self._mean.size} as before")
        total, shift = self.count + count, mean - self._mean
        self._scatter += scatter + np.outer(shift, shift) * (self.count * count / total)
        self._mean = self._mean + shift * (count / total)
        self.count = total

    @property
    def mean(self) -> np.ndarray:
        """Mean [D]."""
        if self._mean is None:
            raise ValueError("0 examples: expected at least 1")
        return self._mean

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance [D, D]."""
        if self._scatter is None or self.count < 2:
            raise ValueError(f"{self.count} examples: expected at least 2")
        return self._scatter / (self.count - 1)


def statistics(features: np.ndarray, batch_size: int = 4096) -> GaussianStatistics:
    """Takes the statistics of features [N, D] of any float type, without a float64 copy of them all."""
    result = GaussianStatistics()
    for start in range(0, len(features), batch_size):
        result.update(features[start : start + batch_size])
    return result


def frechet_distance(real: GaussianStatistics, fake: GaussianStatistics) -> dict[str, float]:
    """Computes `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`.

    The trace of the root is the sum of the square roots of the eigenvalues of the symmetric matrix
    `C1^(1/2) C2 C1^(1/2)`, which exist for singular covariances also.

    Args:
        real: statistics of the data.
        fake: statistics of the samples.

    Returns:
        `frechet`, at least 0.

    Raises:
        ValueError: there are fewer than two examples, or different numbers of features.
        ArithmeticError: the matrix square root failed.
    """
    if real.mean.shape != fake.mean.shape:
        raise ValueError(
            f"{real.mean.size} against {fake.mean.size} features: expected the same network"
        )
    values, vectors = np.linalg.eigh(real.covariance)
    root = (vectors * np.sqrt(_non_negative(values))) @ vectors.T
    product = root @ fake.covariance @ root
    trace = np.sqrt(_non_negative(np.linalg.eigvalsh(0.5 * (product + product.T)))).sum()
    shift = real.mean - fake.mean
    spread = np.trace(real.covariance) + np.trace(fake.covariance)
    return {"frechet": max(float(shift @ shift + spread - 2.0 * trace), 0.0)}


def _non_negative(eigenvalues: np.ndarray) -> np.ndarray:
    """Sets those eigenvalues to 0 that are negative by rounding alone."""
    if not np.isfinite(eigenvalues).all():
        raise ArithmeticError("matrix square root failed: eigenvalues are not finite")
    smallest, largest = eigenvalues.min(), np.abs(eigenvalues).max()
    if smallest < -_NEGATIVE_TOLERANCE * largest:
        raise ArithmeticError(
            f"matrix square root failed: eigenvalue {smallest:g} beside {largest:g}"
        )
    return np.maximum(eigenvalues, 0.0)
