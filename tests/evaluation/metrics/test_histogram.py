"""Divergences of plane histograms, against SciPy and by hand."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from tf_sintrovae.data.ranges import square
from tf_sintrovae.evaluation.metrics import histogram

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=(4000, 2))
FAKE = RNG.normal(0.3, 1.2, size=(3000, 2))


def counts(points, limit):
    edges = np.linspace(-limit, limit, 101)
    return np.histogram2d(*points.T, bins=(edges, edges))[0].ravel()


def test_normalised_divergences_agree_with_scipy():
    metrics = histogram.divergences(REAL, FAKE, square(4.0))
    p, q = (c / c.sum() for c in (counts(REAL, 4.0), counts(FAKE, 4.0)))
    assert metrics["jsd_nats"] == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-9)
    assert metrics["kl_nats"] == pytest.approx(entropy(p, q + 1e-14), rel=1e-6)
    uniform = np.full(len(q), 1 / len(q))
    assert metrics["entropy_nats"] == pytest.approx(entropy(uniform, q + 1e-14), rel=1e-6)


def test_authors_scale_is_a_sum_of_densities_over_a_hundred():
    """kl_authors is KL of densities: the nats divided by 100 bin areas, but for the epsilon's scale."""
    fake = np.concatenate(
        [FAKE, REAL]
    )  # no empty bin under the data, so that epsilons do not matter
    metrics = histogram.divergences(REAL, fake, square(4.0))
    area = (8.0 / 100) ** 2
    assert metrics["kl_authors"] == pytest.approx(metrics["kl_nats"] / (100 * area), rel=1e-6)


def test_identical_samples_have_no_divergence_and_disjoint_ones_the_greatest():
    same = histogram.divergences(REAL, REAL, square(4.0))
    assert same["kl_nats"] == pytest.approx(0.0, abs=1e-9)
    assert same["jsd_nats"] == pytest.approx(0.0, abs=1e-12)
    apart = histogram.divergences(np.full((5, 2), 1.05), np.full((5, 2), -1.05), square(4.0))
    assert apart["jsd_nats"] == pytest.approx(np.log(2), rel=1e-9)


def test_uniform_samples_have_no_entropy_gap():
    centres = np.linspace(-1.98, 1.98, 100)
    points = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)
    metrics = histogram.divergences(points, points, square(2.0))
    assert metrics["entropy_authors"] == pytest.approx(0.0, abs=1e-9)
    assert metrics["entropy_nats"] == pytest.approx(0.0, abs=1e-9)


def test_points_outside_are_dropped_before_normalising():
    outside = np.concatenate([FAKE[:100], np.full((100, 2), 50.0)])
    inside = histogram.divergences(REAL, FAKE[:100], square(10.0))
    metrics = histogram.divergences(REAL, outside, square(10.0))
    assert metrics["outside_share"] == 0.5
    assert metrics["kl_nats"] == pytest.approx(inside["kl_nats"], rel=1e-12)


def test_no_point_inside_is_an_error():
    with pytest.raises(ValueError, match="none of the 1 points"):
        histogram.density(np.array([[9.0, 9.0]]), square(2.0))


@pytest.mark.parametrize("limit", [2, 4])
def test_the_papers_squares_give_what_they_always_gave_to_the_last_bit(limit):
    metrics = histogram.divergences(REAL, FAKE, square(limit))
    area = (2.0 * limit / 100) ** 2
    p, q = (c / (c.sum() * area) * area for c in (counts(REAL, limit), counts(FAKE, limit)))
    inside = p > 0
    kl = np.sum(p[inside] * np.log(p[inside] / (q[inside] + 1e-14)))
    assert metrics["kl_nats"] == pytest.approx(kl, rel=1e-13)
    edges = np.linspace(-limit, limit, 101)
    density = np.histogram2d(*REAL.T, bins=(edges, edges))[0]
    density = density / (density.sum() * (edges[1] - edges[0]) ** 2)
    np.testing.assert_array_equal(histogram.density(REAL, square(limit)), density)


def test_a_rectangle_elsewhere_gives_what_the_square_gives():
    """Points and range scaled and moved alike: the histograms, and so the metrics in nats, are the same."""
    scale, shift = np.array([0.5, 16.0]), np.array([128.0, -1024.0])
    moved = tuple((-4 * s + m, 4 * s + m) for s, m in zip(scale, shift, strict=True))
    real, fake = (
        np.round(points * 2**20) / 2**20 for points in (REAL, FAKE)
    )  # sums without rounding
    square_metrics = histogram.divergences(real, fake, square(4.0))
    metrics = histogram.divergences(real * scale + shift, fake * scale + shift, moved)
    for name in ("kl_nats", "jsd_nats", "entropy_nats", "outside_share"):
        assert metrics[name] == pytest.approx(square_metrics[name], rel=1e-9), name
