"""Runs that stop: killed, interrupted, damaged, extended; all end as if nothing had happened."""

import dataclasses
import random
import shutil
import signal
import subprocess
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import (
    PLANE,
    ROOT,
    TINY,
    assert_same_state,
    command,
    final_state,
    final_step,
    killed_at,
    main_arguments,
    signal_at,
    trained,
    trained_apart,
    wait_for,
)
from tf_sintrovae import callbacks, export, training, workdir
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import Schedule


@pytest.fixture(scope="module")
def straight_run(tmp_path_factory):
    """The folder of a run that was never disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    model = trained(folder, **PLANE)
    assert int(model.step.numpy()) == 18
    assert model.stage == "introspective"
    return folder


@pytest.fixture(scope="module")
def straight(straight_run):
    """The final state of that run."""
    return final_state(straight_run)


@pytest.fixture
def finished(straight_run, tmp_path):
    """A copy of the finished run, with its checkpoints of the steps 12, 15 and 18."""
    return shutil.copytree(straight_run, tmp_path / "run")


def test_signals_save_within_the_epoch_and_the_run_ends_bit_identical(
    straight, tmp_path, monkeypatch
):
    """One run, stopped within an epoch, at the hand-over, and in the second stage."""
    for step, number in ((4, signal.SIGTERM), (6, signal.SIGINT), (13, signal.SIGTERM)):
        with monkeypatch.context() as context:
            signal_at(step, number, context)
            with pytest.raises(callbacks.Stopped, match=f"stopped at step {step}"):
                trained(tmp_path, **PLANE)
        assert final_step(tmp_path) == step
    trained(tmp_path, **PLANE)
    assert_same_state(tmp_path, straight)
    rows = history.read_history(tmp_path / "history.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_killed_between_two_checkpoints_the_run_ends_bit_identical(tmp_path):
    trained_apart(tmp_path / "straight", **PLANE)
    assert "ckpt-12 cannot be read" in killed_twice(tmp_path / "run", PLANE)
    assert_same_state(tmp_path / "run", final_state(tmp_path / "straight"))


@pytest.mark.slow
def test_killed_between_two_checkpoints_batch_norm_goes_on_bit_identical(tmp_path):
    """The same with images, for the statistics of batch norm."""
    trained_apart(tmp_path / "straight")
    killed_twice(tmp_path / "run", {})
    assert_same_state(tmp_path / "run", final_state(tmp_path / "straight"))


def killed_twice(folder, changes):
    """kill -9 in either stage, two steps after a checkpoint; the second time that one is damaged, too.

    Every part trains in a process of its own, as users train.
    """
    killed_at(5, folder, **changes)
    assert final_step(folder) == 3
    killed_at(14, folder, **changes)
    assert final_step(folder) == 12
    (folder / "checkpoints" / "ckpt-12.data-00000-of-00001").write_bytes(b"damaged")
    return trained_apart(folder, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(4))
def test_killed_at_any_moment_the_command_ends_bit_identical(moment, tmp_path):
    """The command itself, killed from outside while it steps, saves or draws."""
    config = dataclasses.replace(TINY, workdir=str(tmp_path / "run"), epochs=100_000)
    flags = tmp_path / "run.flags"
    flags.write_text(config.to_flagfile())
    process = subprocess.Popen(
        main_arguments(f"--flagfile={flags}"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_for(tmp_path / "run" / "checkpoints" / "ckpt-12.index", process)
    time.sleep(random.Random(moment).uniform(0.0, 1.0))
    process.kill()
    process.communicate()
    epochs = final_step(tmp_path / "run") // 3 + 2
    for folder in ("run", "straight"):
        done = command(
            f"--flagfile={flags}", f"--workdir={tmp_path / folder}", f"--epochs={epochs}"
        )
        assert done.returncode == 0, done.stderr
    assert_same_state(tmp_path / "run", final_state(tmp_path / "straight"))


@pytest.mark.parametrize("epochs", [6, 3])
def test_no_more_is_trained_once_the_epochs_are_done(epochs, finished, straight):
    lines = (finished / "history.jsonl").read_text()
    model = trained(finished, epochs=epochs, **PLANE)
    assert int(model.step.numpy()) == 18
    assert model.stage == "introspective"
    assert (finished / "history.jsonl").read_text() == lines
    assert_same_state(finished, straight)


def test_a_run_that_is_extended_equals_the_straight_one(tmp_path, straight):
    """Ending exactly at the hand-over and at the change of stage, then asking for more epochs."""
    for epochs in (2, 3, 6):
        trained(tmp_path, epochs=epochs, **PLANE)
    assert_same_state(tmp_path, straight)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_resumes_and_exports(precision, tmp_path):
    """Loss scales are part of the checkpoint; what is exported speaks float32."""
    settings = {"mixed_precision": precision, "epochs": 3, "vae_epochs": 1, "batch_size": 16}
    model = trained(tmp_path / "straight", **settings)
    trained(tmp_path / "stopped", **settings | {"epochs": 2})
    trained(tmp_path / "stopped", **settings)
    assert_same_state(tmp_path / "stopped", final_state(tmp_path / "straight"))
    scaled = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in model.optimizers]
    assert scaled == [precision == "float16"] * 3
    assert model.encoder.get_layer("in").compute_dtype == precision
    encoded = export.Servable(model, (0.0, 1.0)).signatures["encode"](x=tf.zeros((2, 8, 8, 1)))
    assert encoded["mean"].dtype == tf.float32
    assert np.isfinite(encoded["mean"]).all()


def test_monte_carlo_samples_as_set(tmp_path):
    """M reaches the model and its export, and changes what is trained."""
    few, more = (
        trained(tmp_path / str(count), num_mc_samples=count, epochs=1, **PLANE) for count in (1, 5)
    )
    assert (few.num_mc_samples, more.num_mc_samples) == (1, 5)
    assert export.model_info(more)["num_mc_samples"] == 5
    assert np.abs(few.encoder.get_weights()[0] - more.encoder.get_weights()[0]).max() > 0


def test_when_no_checkpoint_can_be_read_the_user_is_told(finished):
    for path in (finished / "checkpoints").glob("*.data-*"):
        path.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"none of the checkpoints .* --overwrite"):
        trained(finished, **PLANE)
    assert len(history.read_history(finished / "history.jsonl")) == 6


def test_divergence_is_an_error_and_saves_nothing(tmp_path):
    """The data become NaN in the second epoch."""
    config = dataclasses.replace(TINY, workdir=str(tmp_path), **PLANE)
    source = registry.load(config.dataset)
    batches = source.train_batches

    def poisoned(batch_size, seed, start_step=0):
        def poison(step, example):
            return tf.where(step < 3 - start_step, example[0], float("nan")), example[1]

        return batches(batch_size, seed, start_step).enumerate().map(poison)

    source.train_batches = poisoned
    with (
        workdir.opened(config) as opened,
        pytest.raises(UserError, match=r"training diverged in epoch 2: .* not finite"),
    ):
        training.train(config, source, opened)
    assert final_step(tmp_path) == 3
    assert len(history.read_history(tmp_path / "history.jsonl")) == 1


def test_several_steps_in_one_call_change_nothing(straight, tmp_path):
    trained(tmp_path, steps_per_execution=3, **PLANE)
    assert_same_state(tmp_path, straight)


def test_several_steps_in_one_call_must_fill_the_epoch(tmp_path):
    with pytest.raises(UserError, match=r"steps_per_execution=2 does not divide the 3 steps"):
        trained(tmp_path, steps_per_execution=2, **PLANE)
    with pytest.raises(UserError, match=r"steps_per_execution=6 does not .* the 15 steps trained"):
        training._check_execution(dataclasses.replace(TINY, steps_per_execution=6), 6, 15)


# The schedule ---------------------------------------------------------------------------------------


class RecordingModel:
    """Notes the changes that a schedule makes."""

    def __init__(self):
        self.changes = []
        self.prior = self
        self.handed_over = False
        self.stage = "vae"

    def hand_over(self):
        self.handed_over = True
        self.changes.append("hand_over")

    def start_introspection(self):
        self.stage = "introspective"
        self.changes.append("introspection")


def run_schedule(schedule, stops):
    """Steps trained in each state, over a run that stops (and is resumed) at `stops`."""
    states, step = [], 0
    for stop in sorted({s for s in stops if s < schedule.total} | {schedule.total}):
        model = RecordingModel()
        schedule.resume(model, step)
        for start, end in schedule.segments(step):
            schedule.enter(model, start)
            last = min(end, stop)
            states += [(model.handed_over, model.stage)] * (last - start)
            if last == stop:
                break
        step = stop
    return states


def test_segments_by_hand():
    schedule = Schedule.of(TINY, 3)
    assert schedule == Schedule(hand_over=6, introspection=9, total=18)
    assert list(schedule.segments(0)) == [(0, 6), (6, 9), (9, 18)]
    assert list(schedule.segments(7)) == [(7, 9), (9, 18)]
    assert list(schedule.segments(9)) == [(9, 18)]
    assert list(schedule.segments(6)) == [(6, 9), (9, 18)]
    assert list(schedule.segments(18)) == []
    assert list(schedule.segments(21)) == []  # more was trained than is asked for


def test_the_schedules_of_other_settings_by_hand():
    def of(**changes):
        return Schedule.of(dataclasses.replace(TINY, **changes), 3)

    assert of(mixture_warmup_epochs=0) == Schedule(9, 9, 18)
    assert of(mixture_warmup_epochs=3) == Schedule(0, 9, 18)
    assert of(prior="standard_normal") == Schedule(None, 9, 18)
    assert of(prior_player="encoder") == Schedule(None, 9, 18)
    assert of(prior_player="none") == Schedule(6, 9, 18)
    plain = of(vae_epochs=9)
    assert plain == Schedule(24, 27, 18)
    assert list(plain.segments(4)) == [(4, 18)]  # no change lies before the end


@pytest.mark.parametrize(
    ("step", "handed_over", "stage"),
    [
        (0, False, "vae"),
        (5, False, "vae"),
        (6, False, "vae"),  # the checkpoint is from before the change
        (7, True, "vae"),
        (9, True, "vae"),
        (10, True, "introspective"),
        (18, True, "introspective"),
    ],
)
def test_a_checkpoint_is_resumed_in_its_state(step, handed_over, stage):
    model = RecordingModel()
    Schedule(6, 9, 18).resume(model, step)
    assert (model.handed_over, model.stage) == (handed_over, stage)
    assert model.changes == []  # values come from the checkpoint


def test_changes_at_one_step_come_in_order():
    model = RecordingModel()
    Schedule(0, 0, 9).enter(model, 0)
    assert model.changes == ["hand_over", "introspection"]


def test_states_by_hand():
    states = run_schedule(Schedule(2, 3, 5), [])
    expected = [(False, "vae")] * 2 + [(True, "vae")] + [(True, "introspective")] * 2
    assert states == expected


@given(
    st.integers(0, 6), st.integers(0, 6), st.integers(1, 9), st.lists(st.integers(1, 9), max_size=5)
)
def test_stops_never_change_what_is_trained(warm_up, vae, total, stops):
    schedule = Schedule(max(vae - warm_up, 0), vae, total)
    assert run_schedule(schedule, stops) == run_schedule(schedule, [])


def test_whole_epochs_after_a_stop_within_one():
    assert list(training._whole_epochs(4, 12, 3)) == [(1, 2, 2), (2, 4, 3)]
    assert list(training._whole_epochs(6, 12, 3)) == [(2, 4, 3)]
    assert list(training._whole_epochs(11, 12, 3)) == [(3, 4, 1)]
