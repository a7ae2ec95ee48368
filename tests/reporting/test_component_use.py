"""Use of components, against numbers worked by hand."""

import numpy as np
import pytest

from tf_sintrovae.reporting.component_charts import component_charts
from tf_sintrovae.reporting.component_use import class_shares, component_use

# Three examples of two classes, p(k|z) for two components as z itself.
Z = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
LABELS = np.array([0, 0, 1])


def test_shares_of_classes_by_hand():
    shares = class_shares(lambda z: z, Z, LABELS, 2)
    np.testing.assert_allclose(shares, [[1.4 / 3, 0.6 / 3], [0.2 / 3, 0.8 / 3]])
    np.testing.assert_allclose(shares.sum(axis=0), Z.mean(axis=0))


def test_many_components_are_taken_in_blocks(monkeypatch):
    monkeypatch.setattr("tf_sintrovae.reporting.component_use._BLOCK", 4)
    sizes = []
    shares = class_shares(lambda z: sizes.append(len(z)) or z, Z, LABELS, 2)
    assert sizes == [2, 1]
    np.testing.assert_allclose(shares.sum(axis=0), Z.mean(axis=0))


def test_the_heaviest_come_first_and_inactive_ones_are_counted():
    weights = np.array([0.05, 0.7, 0.25])  # the limit is 1/9
    use = component_use(np.log(weights), np.array([[0.1, 0.2, 0.2], [0.0, 0.3, 0.2]]))
    assert use == {
        "num_components": 3,
        "inactive": 1,
        "inactive_by_responsibility": 1,
        "components": [1, 2, 0],
        "weights": [0.7, 0.25, 0.05],
        "responsibilities": [0.5, 0.4, 0.1],
        "classes": [[0.2, 0.3], [0.2, 0.2], [0.1, 0.0]],
    }


def test_a_thousand_components_do_not_fill_the_file():
    use = component_use(np.full(1000, -np.log(1000.0)), np.full((1, 1000), 1e-3))
    assert len(use["components"]) == len(use["weights"]) == 200
    assert "classes" not in use


def test_bars_and_classes_are_drawn():
    use = component_use(np.log([0.25, 0.75]), np.array([[0.1, 0.4], [0.3, 0.2]]))
    (drawn,) = component_charts(use)
    assert drawn.count("<svg") == 2
    assert "2 components" in drawn


@pytest.mark.parametrize(
    "use",
    [
        {},
        {"components": [0], "weights": [1.0]},
        {"components": [0], "weights": ["x"], "responsibilities": [1.0]},
        {"components": [0, 1], "weights": [1.0], "responsibilities": [1.0]},
        {"components": None, "weights": None, "responsibilities": None},
    ],
)
def test_what_is_no_use_of_components_is_not_drawn(use):
    assert component_charts(use) == []
