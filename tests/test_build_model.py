"""A run's model: what it takes from the settings, and what it leaves alone."""

import dataclasses

import keras
import pytest

from tests.support.runs import PLANE, TINY
from tf_sintrovae import build, network_checks
from tf_sintrovae.data import registry


def build_tiny(**changes):
    """The model of the tiny run with `changes`."""
    config = dataclasses.replace(TINY, **changes)
    return build.build_model(config, registry.load(config.dataset))


@pytest.mark.parametrize("precision", ["off", "bfloat16", "float16"])
def test_no_policy_survives_the_building_of_a_model(precision):
    before = keras.config.dtype_policy()
    build_tiny(mixed_precision=precision)
    assert keras.config.dtype_policy() is before
    assert keras.config.dtype_policy().name == "float32"
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_of_the_networks_alone(precision):
    model = build_tiny(mixed_precision=precision, **PLANE)
    assert model.encoder.get_layer("hidden_0").compute_dtype == precision
    assert model.decoder.get_layer("hidden_0").compute_dtype == precision
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.prior.parameters(model.encoder).loc.dtype == "float32"
    assert model.compute_dtype == "float32"
    assert {metric.dtype for metric in model.metrics} == {"float32"}


def test_a_policy_of_the_program_around_it_does_not_reach_the_model():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_tiny(**PLANE)
    finally:
        keras.config.set_dtype_policy(before)
    layers = [layer for network in (model.encoder, model.decoder) for layer in network.layers[1:]]
    assert {layer.compute_dtype for layer in layers if layer.weights} == {"float32"}
    assert {v.dtype for v in model.variables} <= {"float32", "int64"}
    assert model.compute_dtype == "float32"


@pytest.mark.parametrize("changes", [PLANE, {}], ids=["points", "images"])
def test_batches_are_joined_where_no_network_has_batch_norm(changes, monkeypatch):
    """The networks are asked, not the data: images get joint batches too if theirs have none."""
    asked = []

    def answer(network):
        asked.append(network.name)
        return False

    monkeypatch.setattr(build, "has_batch_norm", answer)
    monkeypatch.setattr(network_checks, "has_batch_norm", answer)
    model = build_tiny(**changes)
    assert set(asked) == {"encoder", "decoder"}
    assert model._player_losses._joint_batches
