"""What is generated, by a model whose decoder gives the latent vectors back."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from tests.support.cases import Case
from tf_sintrovae.errors import UserError
from tf_sintrovae.generation import gallery
from tf_sintrovae.serving import export

LOC = np.float32([[0, 0], [100, 0], [0, 100]])
LOGVAR = np.log(np.float32([[1, 4], [4, 1], [1, 1]]))
WEIGHTS = np.float32([0.2, 0.5, 0.3])
SIGNATURES = {
    "prior": lambda: {
        "loc": tf.constant(LOC),
        "logvar": tf.constant(LOGVAR),
        "log_weights": tf.constant(np.log(WEIGHTS)),
    },
    "encode": lambda x: {"mean": 2.0 * x, "logvar": tf.zeros_like(x)},
    "decode": lambda z: {"x": z},
}


@pytest.fixture(scope="module")
def servable():
    return export.Servable(Case("points", "mixture").model())


def test_samples_are_those_of_the_signature_by_seed(servable):
    first, again = (gallery.samples(servable.signatures, 20, 3) for _ in range(2))
    direct = servable.signatures["sample"](num_samples=tf.constant(20), seed=tf.constant([3, 1]))
    np.testing.assert_array_equal(first.x, direct["x"])
    np.testing.assert_array_equal(first.groups, direct["component"])
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.isin(gallery.samples(servable.signatures, 20, 4).x, first.x).any()
    assert first.columns == 5 and len(set(first.names)) == 20


def test_many_samples_are_drawn_in_batches_and_all_differ(servable, monkeypatch):
    monkeypatch.setattr(gallery, "_BATCH_SIZE", 8)
    drawn = gallery.samples(servable.signatures, 20, 0)
    assert drawn.x.shape == (20, 2) and drawn.groups.shape == (20,)
    assert len(np.unique(drawn.x, axis=0)) == 20


def test_a_components_samples_have_its_mean_and_variance():
    drawn = gallery.component_samples(SIGNATURES, 1, 4000, 0)
    np.testing.assert_allclose(drawn.x.mean(axis=0), LOC[1], atol=0.15)
    np.testing.assert_allclose(drawn.x.std(axis=0), [2.0, 1.0], rtol=0.05)
    assert set(drawn.groups) == {1}


def test_rows_by_component_come_heaviest_first_and_are_those_of_one_component():
    drawn = gallery.samples_by_component(SIGNATURES, 5, 7)
    assert drawn.groups.tolist() == [1] * 5 + [2] * 5 + [0] * 5
    assert drawn.titles == ["1: 50.0%", "2: 30.0%", "0: 20.0%"]
    assert drawn.columns == 5
    assert drawn.names[5] == "component_002_00000"
    for row, component in enumerate((1, 2, 0)):
        one = gallery.component_samples(SIGNATURES, component, 5, 7)
        np.testing.assert_array_equal(drawn.x[5 * row : 5 * row + 5], one.x)


def test_components_beyond_what_a_picture_shows_are_told(monkeypatch, caplog):
    monkeypatch.setattr(gallery, "_MOST_ROWS", 2)
    with caplog.at_level(logging.WARNING, logger="tf_sintrovae.generation"):
        drawn = gallery.samples_by_component(SIGNATURES, 2, 0)
    assert drawn.groups.tolist() == [1, 1, 2, 2]
    assert "3 components: samples of the 2 heaviest are drawn" in caplog.text


@pytest.mark.parametrize("component", [-1, 3])
def test_a_component_that_is_not_there_is_named(component):
    message = f"component {component}: expected one of the model's, 0 to 2"
    with pytest.raises(UserError, match=message):
        gallery.component_samples(SIGNATURES, component, 1, 0)
    with pytest.raises(UserError, match=message):
        gallery.component_interpolations(SIGNATURES, [0, component], 3)


def test_reconstructions_are_of_the_posteriors_means(monkeypatch):
    monkeypatch.setattr(gallery, "_BATCH_SIZE", 2)
    x = np.float32([[1, 2], [3, 4], [5, 6]])
    rebuilt = gallery.reconstructions(SIGNATURES, x, ["a", "b", "b"])
    np.testing.assert_array_equal(rebuilt.x, 2.0 * x)
    np.testing.assert_array_equal(rebuilt.originals, x)
    assert rebuilt.names == ["00000_a", "00001_b", "00002_b"]


def test_an_interpolation_goes_straight_from_each_mean_to_the_next():
    x = np.float32([[0, 0], [1, 2], [1, 0]])
    way = gallery.interpolations(SIGNATURES, x, 3)
    expected = [[0, 0], [1, 2], [2, 4], [2, 4], [2, 2], [2, 0]]
    np.testing.assert_allclose(way.x, expected, atol=1e-6)
    assert way.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert (way.columns, way.names[4]) == (3, "1_to_2_001")


def test_components_are_connected_by_their_means():
    way = gallery.component_interpolations(SIGNATURES, [2, 1], 5)
    np.testing.assert_allclose(way.x[[0, 2, 4]], [[0, 100], [50, 50], [100, 0]], atol=1e-4)


def test_one_example_is_no_way():
    with pytest.raises(UserError, match="has 1 example: expected two or more"):
        gallery.interpolations(SIGNATURES, np.zeros((1, 2), np.float32), 3)
