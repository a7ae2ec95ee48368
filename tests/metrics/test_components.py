"""Use of components by hand."""

import numpy as np
import pytest

from tf_sintrovae.metrics import components


def test_inactive_components_by_both_definitions():
    # K = 4: a component is inactive under 1/16.
    figures = components.component_use(
        np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.3, 0.3, 0.36, 0.04])
    )
    assert figures["inactive_components"] == 1
    assert figures["inactive_components_by_responsibility"] == 2
    assert figures["assignment_entropy"] == pytest.approx(0.5)


@pytest.mark.parametrize(("use", "expected"), [([1.0], 0.0), ([1.0, 0.0], 0.0), ([0.5, 0.5], 1.0)])
def test_normalised_entropy(use, expected):
    assert components.normalised_entropy(np.array(use)) == pytest.approx(expected)


def test_batch_entropy_is_the_mean_over_batches():
    """One batch uses one component, the other both: 0 and 1."""
    assert components.batch_entropy(np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(0.5)
