"""Weights averaged over steps."""

import signal

import numpy as np
import pytest

from tests.support.runs import PLANE, assert_same_state, final_state, signal_at, trained
from tf_sintrovae.training import callbacks
from tf_sintrovae.training.averaging import WeightAverage
from tf_sintrovae.training.run_state import RunState

DECAY = 0.9


def reference_average(values: list[np.ndarray], decay: float) -> np.ndarray:
    """The average that the docstring promises, in float64."""
    average = np.zeros_like(values[0], np.float64)
    for n, value in enumerate(values, 1):
        kept = min(decay, (n - 1) / (n + 8))
        average = kept * average + (1 - kept) * value
    return average


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with averages: its model and its folder."""
    folder = tmp_path_factory.mktemp("averaged")
    return trained(folder, **PLANE, ema_decay=DECAY), folder


def test_averages_are_those_of_the_formula_and_begin_anew_after_a_change(run):
    model, _ = run
    variable = model.decoder.trainable_variables[0]
    start = variable.numpy()
    average, state = WeightAverage(model, 0.6), RunState()
    steps = [start + 0.1 * step for step in range(12)]
    for value in steps:
        variable.assign(value)
        average.update()
    average.apply()
    np.testing.assert_allclose(variable.numpy(), reference_average(steps, 0.6), rtol=1e-6)
    state.introspection_step.assign(12)
    average.restart(state)
    variable.assign(steps[3])
    average.update()
    average.restart(state)  # no change since
    variable.assign(steps[5])
    average.update()
    average.apply()
    wanted = reference_average([steps[3], steps[5]], 0.6)
    np.testing.assert_allclose(variable.numpy(), wanted, rtol=1e-6)
    variable.assign(start)


def test_without_an_update_the_weights_stay(run):
    model, _ = run
    before = [variable.numpy() for variable in model.trainable_variables]
    WeightAverage(model, 0.5).apply()
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_training_is_that_without_averages_and_the_model_has_them(run, tmp_path):
    model, folder = run
    plain = trained(tmp_path, **PLANE)
    averaged, state = final_state(folder), final_state(tmp_path)
    for name, value in state.items():
        np.testing.assert_array_equal(averaged[name], value, err_msg=name)
    kept = [v for name, v in averaged.items() if "average/averages/" in name]
    assert len(kept) == len(model.trainable_variables)
    by_shape = {v.shape: v for v in kept}
    weights = model.decoder.trainable_variables[-1].numpy()
    assert not np.array_equal(weights, plain.decoder.trainable_variables[-1].numpy())
    assert any(np.array_equal(weights, v) for v in kept if v.shape == weights.shape), by_shape


def test_a_run_that_was_stopped_ends_with_the_same_averages(run, tmp_path, monkeypatch):
    _, folder = run
    with monkeypatch.context() as context:
        signal_at(13, signal.SIGTERM, context)
        with pytest.raises(callbacks.Stopped):
            trained(tmp_path, **PLANE, ema_decay=DECAY)
    trained(tmp_path, **PLANE, ema_decay=DECAY)
    assert_same_state(tmp_path, final_state(folder))
