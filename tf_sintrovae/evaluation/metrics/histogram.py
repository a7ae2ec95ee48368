"""Divergences between histograms of points in the plane (paper, Sec. 5.1).

The authors' metrics divide sums over bins of *densities* by 100, the number of rows (PyTorch's "batchmean").
They are kept, so that results compare, under names that end in `_authors`; beside them stand the divergences
of the normalised histograms in nats.
"""

import numpy as np

from tf_sintrovae.data.ranges import PlotRange

BINS = 100
_EPSILON = 1e-14


def divergences(real: np.ndarray, fake: np.ndarray, plot_range: PlotRange) -> dict[str, float]:
    """Divergences between two samples on a rectangle; points outside are dropped.

    Args:
        real: [N, 2] points of the data.
        fake: [M, 2] samples of the model.
        plot_range: rectangle that the histograms span.

    Returns:
        `kl_nats` = KL(real || fake), `jsd_nats` and `entropy_nats` = KL(uniform || fake), which the authors
        call entropy, of the normalised histograms; `kl_authors`, `jsd_authors` and `entropy_authors`, the
        same on the authors' scale; `outside_share` of the fakes.

    Raises:
        ValueError: no point of a sample lies inside.
    """
    (low, high) = np.transpose(plot_range)  # [2] each
    area = float(np.prod((high - low) / BINS))
    h_real, h_fake = density(real, plot_range), density(fake, plot_range)  # [100, 100]
    uniform = np.full_like(h_real, 1.0 / (h_real.size * area))
    p, q = h_real * area, h_fake * area
    middle = 0.5 * (p + q)
    return {
        "kl_nats": _kl(p, q + _EPSILON),
        "jsd_nats": 0.5 * (_kl(p, middle) + _kl(q, middle)),
        "entropy_nats": _kl(uniform * area, q + _EPSILON),
        "kl_authors": _kl(h_real, h_fake + _EPSILON) / BINS,
        "jsd_authors": _jsd_authors(h_real, h_fake),
        "entropy_authors": _kl(uniform, h_fake + _EPSILON) / BINS,
        "outside_share": float(np.mean(np.any((fake < low) | (fake > high), axis=1))),
    }


def density(points: np.ndarray, plot_range: PlotRange) -> np.ndarray:
    """Computes the histogram [100, 100] of points [N, 2] as a density (it integrates to one)."""
    edges = [np.linspace(low, high, BINS + 1) for low, high in plot_range]
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    if not counts.sum():
        where = " x ".join(f"[{low:g}, {high:g}]" for low, high in plot_range)
        raise ValueError(f"none of the {len(points)} points lies within {where}")
    return counts / (counts.sum() * np.prod([axis[1] - axis[0] for axis in edges]))


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    """sum p log(p / q), with 0 log 0 = 0."""
    inside = p > 0
    return float(np.sum(p[inside] * np.log(p[inside] / q[inside])))


def _jsd_authors(h_real: np.ndarray, h_fake: np.ndarray) -> float:
    """`1/2 [kl(m || real) + kl(m || fake)]`, m the mean density, with logs of h + 1e-14."""
    middle = 0.5 * (h_real + h_fake)
    return 0.5 * (_kl(middle, h_real + _EPSILON) + _kl(middle, h_fake + _EPSILON)) / BINS
