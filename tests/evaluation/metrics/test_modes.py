"""Coverage of modes by hand."""

import numpy as np

from tf_sintrovae.evaluation.metrics import modes


def test_shares_by_hand():
    centres = np.array([[0.0, 0.0], [1.0, 0.0]])
    samples = np.array([[0.0, 0.1], [0.05, 0.0], [1.0, 0.1], [0.5, 0.0]])
    assert modes.mode_coverage(samples, centres) == {
        "high_quality_share": 0.75,
        "mode_min_share": 0.25,
        "mode_max_share": 0.5,
    }


def test_a_mode_without_samples_has_share_zero():
    metrics = modes.mode_coverage(np.zeros((3, 2)), np.array([[0.0, 0.0], [5.0, 5.0]]))
    assert metrics["mode_min_share"] == 0.0


def test_rings_by_hand():
    samples = np.array([[1.0, 0.0], [0.0, -1.1], [2.0, 0.0], [0.0, 9.0]])
    metrics = modes.ring_coverage(samples, np.array([1.0, 2.0]))
    assert metrics == {"high_quality_share": 0.75, "mode_min_share": 0.25, "mode_max_share": 0.5}
