"""Use of components by hand."""

import numpy as np
import pytest

from tf_sintrovae.evaluation.metrics import components


def test_inactive_components_by_both_definitions():
    # K = 4: a component is inactive under 1/16.
    metrics = components.component_use(
        np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.3, 0.3, 0.36, 0.04])
    )
    assert metrics["inactive_components"] == 1
    assert metrics["inactive_components_by_responsibility"] == 2
    assert metrics["assignment_entropy"] == pytest.approx(0.5)


@pytest.mark.parametrize(("use", "expected"), [([1.0], 0.0), ([1.0, 0.0], 0.0), ([0.5, 0.5], 1.0)])
def test_normalised_entropy(use, expected):
    assert components.normalised_entropy(np.array(use)) == pytest.approx(expected)


def test_batch_entropy_is_the_mean_over_the_examples_of_the_batches():
    """One batch uses one component, the other both: 0 and 1."""
    means = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert components.batch_entropy(means, [8, 8]) == pytest.approx(0.5)
    assert components.batch_entropy(means, [6, 2]) == pytest.approx(0.25)


@pytest.mark.parametrize(("size", "expected"), [(32, 0.709), (128, 0.902)])
def test_equal_use_of_components_by_size_of_batch(size, expected):
    """By the binomial distribution of how many of a batch fall on one component."""
    chosen = np.random.default_rng(0).integers(100, size=(400, size))
    means = np.stack([np.bincount(batch, minlength=100) / size for batch in chosen])
    assert components.batch_entropy(means, np.full(400, size)) == pytest.approx(expected, abs=2e-3)
