"""Importance-weighted bound of the log-likelihood (Burda et al. 2016)."""

import numpy as np
from scipy.special import logsumexp


def importance_weighted_bound(log_weights: np.ndarray) -> np.ndarray:
    """Computes `log 1/S sum_s w_s`, in expectation at least as tight as the ELBO, the tighter the larger S.

    Args:
        log_weights: [S, N] log weights `log p(x|z_s) + log p(z_s) - log q(z_s|x)`, `z_s ~ q`, in nats.

    Returns:
        Bounds [N] in nats, float64.

    Raises:
        ValueError: there are no samples.
    """
    if log_weights.ndim != 2 or not len(log_weights):
        raise ValueError(f"log weights of shape {log_weights.shape}: expected [S, N], S at least 1")
    return logsumexp(np.asarray(log_weights, np.float64), axis=0) - np.log(len(log_weights))
