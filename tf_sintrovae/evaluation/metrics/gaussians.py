"""Densities and divergences of Gaussians with diagonal covariance, in nats and float64."""

import numpy as np


def log_prob(z: np.ndarray, mean: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """Computes the log-density of z [..., L] under N(mean, exp(logvar)), broadcast, summed over L."""
    z, mean, logvar = (np.asarray(v, np.float64) for v in (z, mean, logvar))
    terms = np.log(2.0 * np.pi) + logvar + (z - mean) ** 2 * np.exp(-logvar)
    return -0.5 * terms.sum(axis=-1)


def kl_divergence(
    mean_p: np.ndarray, logvar_p: np.ndarray, mean_q: np.ndarray, logvar_q: np.ndarray
) -> np.ndarray:
    """Computes `KL(p || q)` in closed form; all [..., L] -> [...].

    The paper's drift is its mean over the test set with p the posterior at the reconstruction and q that at
    the data.
    """
    mean_p, logvar_p, mean_q, logvar_q = (
        np.asarray(v, np.float64) for v in (mean_p, logvar_p, mean_q, logvar_q)
    )
    ratio = np.exp(logvar_p - logvar_q)
    terms = logvar_q - logvar_p + ratio + (mean_p - mean_q) ** 2 * np.exp(-logvar_q) - 1.0
    return 0.5 * terms.sum(axis=-1)
