"""Runs that stop: killed, interrupted, damaged, extended; all end as if nothing had happened."""

import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tf_sintrovae import callbacks, training, workdir
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import Schedule

# 3 steps an epoch; hand-over before step 6, introspection before step 9, end at 18.
TINY = Config(
    dataset="digits",
    batch_size=128,
    steps_per_epoch=3,
    epochs=6,
    vae_epochs=3,
    mixture_warmup_epochs=1,
    widths=(3,),
    latent_dim=2,
    num_components=4,
    num_mc_samples=2,
    beta_neg=1.0,
    checkpoint_seconds=0.0,
    refresh_batch_norm=False,
    evaluate=False,
    export=False,
)


def trained(folder, **changes):
    """Runs the tiny experiment in `folder`."""
    config = dataclasses.replace(TINY, workdir=str(folder), **changes)
    with workdir.opened(config) as opened:
        return training.train(config, registry.load(config.dataset), opened)


def final_state(folder) -> dict[str, np.ndarray]:
    """Every tensor of the newest checkpoint: weights, optimizer slots, step."""
    reader = tf.train.load_checkpoint(str(pathlib.Path(folder) / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if "save_counter" not in n and "OBJECT" not in n}


def assert_same_state(folder, reference):
    state = final_state(folder)
    assert set(state) == set(reference)
    for name, value in reference.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


@pytest.fixture(scope="module")
def straight_folder(tmp_path_factory):
    """A run that was never disturbed."""
    folder = tmp_path_factory.mktemp("straight")
    model = trained(folder)
    assert int(model.step.numpy()) == 18
    assert model.stage == "introspective"
    assert model.prior.handed_over
    return folder


@pytest.fixture(scope="module")
def straight(straight_folder):
    """The final state of that run."""
    return final_state(straight_folder)


@pytest.fixture
def finished(straight_folder, tmp_path):
    """A copy of the finished run, to be spoiled: it holds the checkpoints of steps 12, 15 and 18."""
    return pathlib.Path(shutil.copytree(straight_folder, tmp_path / "run"))


def interrupted_at(step, monkeypatch, number=signal.SIGTERM):
    """Sends a signal to this process when training has done `step`."""
    original = callbacks.Progress.on_train_batch_end

    def send(self, batch, logs=None):
        original(self, batch, logs)
        if self._step == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(callbacks.Progress, "on_train_batch_end", send)


@pytest.mark.parametrize(("step", "number"), [(6, signal.SIGINT), (13, signal.SIGTERM)])
def test_a_signal_saves_within_the_epoch_and_the_run_ends_bit_identical(
    step, number, straight, tmp_path, monkeypatch
):
    with monkeypatch.context() as context:
        interrupted_at(step, context, number)
        with pytest.raises(callbacks.Stopped, match=f"stopped at step {step}"):
            trained(tmp_path)
    assert int(final_state(tmp_path)["step/.ATTRIBUTES/VARIABLE_VALUE"]) == step
    trained(tmp_path)
    assert_same_state(tmp_path, straight)
    rows = callbacks.read_history(tmp_path / "history.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("stage_step", [3, 12])
def test_killed_between_two_checkpoints_the_run_ends_bit_identical(stage_step, straight, tmp_path):
    """kill -9 in either stage, for real: a process of its own, killed after the first checkpoint there."""
    config = dataclasses.replace(TINY, workdir=str(tmp_path))
    flags = tmp_path.parent / f"killed_{stage_step}.flags"
    flags.write_text(config.to_flagfile())
    process = subprocess.Popen(
        [sys.executable, "-m", "tf_sintrovae.main", f"--flagfile={flags}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    checkpoint = tmp_path / "checkpoints" / f"ckpt-{stage_step}.index"
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    errors = process.communicate()[1].decode()
    assert checkpoint.exists(), errors
    newest = tf.train.latest_checkpoint(str(tmp_path / "checkpoints"))
    assert int(newest.rsplit("-", 1)[1]) < 18, "the run ended before it was killed"
    trained(tmp_path)
    assert_same_state(tmp_path, straight)


def test_the_same_command_after_the_end_does_not_train(finished, straight):
    lines = (finished / "history.jsonl").read_text()
    trained(finished)
    assert (finished / "history.jsonl").read_text() == lines
    assert_same_state(finished, straight)


def test_a_run_that_is_extended_equals_the_straight_one(tmp_path, straight):
    """The first run ends exactly where the hand-over is due."""
    trained(tmp_path, epochs=2)
    trained(tmp_path)
    assert_same_state(tmp_path, straight)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(finished, straight, caplog):
    newest = finished / "checkpoints" / "ckpt-18.data-00000-of-00001"
    os.truncate(newest, newest.stat().st_size // 2)
    trained(finished)
    assert "ckpt-18 cannot be read" in caplog.text
    assert_same_state(finished, straight)


def test_when_no_checkpoint_can_be_read_the_user_is_told(finished):
    for path in (finished / "checkpoints").glob("*.data-*"):
        os.truncate(path, 10)
    with pytest.raises(UserError, match=r"none of the checkpoints .* --overwrite"):
        trained(finished)
    trained(finished, epochs=1, overwrite=True)  # and the advice works
    assert len(callbacks.read_history(finished / "history.jsonl")) == 1


def test_divergence_is_an_error_and_saves_nothing(finished, straight):
    with pytest.raises(UserError, match=r"training diverged in epoch 7: .* not finite"):
        _diverge(finished)
    assert_same_state(finished, straight)


def _diverge(folder):
    """Continues a run whose data have become NaN."""
    config = dataclasses.replace(TINY, workdir=str(folder), epochs=7)
    source = registry.load("digits")
    batches = source.train_batches

    def poisoned(*args, **kwargs):
        return batches(*args, **kwargs).map(lambda x, y: (x * float("nan"), y))

    source.train_batches = poisoned
    with workdir.opened(config) as opened:
        training.train(config, source, opened)


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
    assert list(schedule.segments(18)) == []


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
