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

from tests.support.runs import (
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
from tf_sintrovae import player_updates
from tf_sintrovae.config import read_config
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.serving import export
from tf_sintrovae.training import callbacks, history, loop, workdir
from tf_sintrovae.training.run_state import RunState
from tf_sintrovae.training.schedule import Schedule


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
    """kill -9 in the second stage, two steps after a checkpoint, which is damaged, too."""
    trained_apart(tmp_path / "straight", **PLANE)
    assert "ckpt-12 cannot be read" in killed_and_damaged(tmp_path / "run", **PLANE)
    assert_same_state(tmp_path / "run", final_state(tmp_path / "straight"))


@pytest.mark.slow
def test_killed_in_both_stages_batch_norm_goes_on_bit_identical(tmp_path):
    """The same with images, for the statistics of batch norm, after a kill in the first stage."""
    trained_apart(tmp_path / "straight")
    killed_at(5, tmp_path / "run")
    assert final_step(tmp_path / "run") == 3
    killed_and_damaged(tmp_path / "run")
    assert_same_state(tmp_path / "run", final_state(tmp_path / "straight"))


def killed_and_damaged(folder, **changes):
    """Every part trains in a process of its own, as users train."""
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
    """Ending exactly at the hand-over, and within the second stage, then asking for more epochs."""
    for epochs in (2, 4, 6):
        trained(tmp_path, epochs=epochs, **PLANE)
    assert_same_state(tmp_path, straight)


def test_a_plain_vae_keeps_its_vamp_prior_until_it_is_extended(tmp_path, straight, caplog):
    """It ends after the scheduled hand-over, which then comes late, and is said to."""
    model = trained(tmp_path, epochs=3, **PLANE)
    assert not model.prior.handed_over
    assert caplog.text == ""
    model = trained(tmp_path, epochs=4, **PLANE)
    assert model.prior.handed_over
    assert model.stage == "introspective"
    assert np.isfinite(model.prior.mixture.max_logvar.numpy()).all()
    assert "a free mixture at step 9, not at step 6" in caplog.text
    assert state_value(tmp_path, "hand_over_step") == 9
    assert straight["state/hand_over_step/.ATTRIBUTES/VARIABLE_VALUE"] == 6


def state_value(folder, name):
    """A value of the run's state in the newest checkpoint."""
    return final_state(folder)[f"state/{name}/.ATTRIBUTES/VARIABLE_VALUE"]


@pytest.mark.slow
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


# Other data, other settings ---------------------------------------------------------------------------


def test_other_data_are_refused_and_nothing_is_lost(finished, straight):
    config = dataclasses.replace(TINY, workdir=str(finished), epochs=8, **PLANE)
    with (
        workdir.open_workdir(config) as opened,
        pytest.raises(UserError, match=r"data are not those .*content has changed.*--overwrite"),
    ):
        loop.train(config, registry.load("rings"), opened)
    assert_same_state(finished, straight)


def test_another_length_of_the_epochs_is_refused(finished):
    """Also where no settings are there to compare with: the checkpoint itself knows."""
    (finished / "config.json").unlink()
    with pytest.raises(UserError, match=r"has 3 steps an epoch, data and settings now give 6"):
        trained(finished, **PLANE | {"steps_per_epoch": 6})


def test_clipping_switched_later_takes_effect_and_is_recorded(finished):
    history.append(finished / "history.jsonl", {"event": "diverged", "step": 17, "terms": ["kl"]})
    model = trained(finished, epochs=7, clip_variance=False, **PLANE)
    assert np.isinf(model.prior.mixture.max_logvar.numpy()).all()
    highest = np.max(model.prior.mixture.logvar.numpy(), axis=0)
    model = trained(finished, epochs=8, clip_variance=True, **PLANE)
    np.testing.assert_array_equal(model.prior.mixture.max_logvar, highest)
    changes = history.read_events(finished / "history.jsonl")[1:]
    assert changes == [
        {"event": "settings", "step": 18, "changed": {"clip_variance": [True, False]}},
        {"event": "settings", "step": 21, "changed": {"clip_variance": [False, True]}},
    ]


def test_the_epochs_that_were_trained():
    source = registry.load("digits")
    assert loop.trained_epochs(TINY, source, 18) == 6
    assert loop.trained_epochs(TINY, source, 17) == 5
    assert loop.trained_epochs(dataclasses.replace(TINY, steps_per_epoch=None), source, 22) == 2


# Divergence -----------------------------------------------------------------------------------------


def poison_data(monkeypatch, step):
    """The data of the plane are NaN from `step` on."""
    kind = type(registry.load("8gaussians"))
    batches = kind.train_batches

    def poisoned(self, batch_size, seed, start_step=0, *shards):
        def poison(index, example):
            return tf.where(index < step - start_step, example[0], float("nan")), example[1]

        return batches(self, batch_size, seed, start_step, *shards).enumerate().map(poison)

    monkeypatch.setattr(kind, "train_batches", poisoned)


def poison_loss(monkeypatch, step):
    """The KL of the step after `step` is infinite."""
    original = SoftIntroVAE.vae_step

    def poisoned(self, x, noise):
        values = original(self, x, noise)
        return values | {"kl": tf.where(self.step.value == step, np.inf, values["kl"])}

    monkeypatch.setattr(SoftIntroVAE, "vae_step", poisoned)


def poison_gradient(monkeypatch, step, above=0.0, player="decoder"):
    """A player's gradient of the step after `step` is NaN while the rate is more than `above`."""
    update, apply_updates, models = SoftIntroVAE._update, player_updates.apply_updates, []

    def remember(self, *arguments):
        models[:] = [self]
        return update(self, *arguments)

    def poisoned(scaling, steps):
        optimizer = getattr(models[0], f"{player}_optimizer")
        bad = (models[0].step.value == step) & (optimizer.learning_rate.value > above)
        factor = tf.where(bad, float("nan"), 1.0)
        steps = [s._replace(gradients=_multiply(s, optimizer, factor)) for s in steps]
        apply_updates(scaling, steps)

    monkeypatch.setattr(SoftIntroVAE, "_update", remember)
    monkeypatch.setattr(player_updates, "apply_updates", poisoned)


def _multiply(step, optimizer, factor):
    """The step's gradients, multiplied if they are those of `optimizer`."""
    return [g * factor for g in step.gradients] if step.optimizer is optimizer else step.gradients


@pytest.mark.parametrize(
    ("poison", "step", "message", "kept"),
    [
        (
            poison_data,
            4,
            "step 5: rec, (kl, )?loss not finite; the last good checkpoint .step 3",
            3,
        ),
        (poison_loss, 7, "step 8: kl not finite; the last good checkpoint .step 6", 6),
        (
            poison_gradient,
            5,
            "step 6: weights of the decoder, decoder's optimizer not finite; .*3",
            3,
        ),
        (poison_data, 1, "step 2: rec, (kl, )?loss not finite; there is no checkpoint yet: ", None),
    ],
)
def test_a_divergence_names_step_and_terms_and_saves_nothing(
    poison, step, message, kept, tmp_path, monkeypatch
):
    poison(monkeypatch, step)
    with pytest.raises(UserError, match=f"^training diverged at {message}"):
        trained(tmp_path, **PLANE)
    assert (final_step(tmp_path) if kept else None) == kept
    [event] = history.read_events(tmp_path / "history.jsonl")
    assert (event["event"], event["step"]) == ("diverged", int(message[5]))


def test_weights_of_nan_are_a_divergence_not_an_index_out_of_range(tmp_path, monkeypatch):
    """In the second stage the next step finds no component to draw from, which TensorFlow reports."""
    poison_gradient(monkeypatch, 9, player="prior")
    message = r"diverged at step 1[01]: .*; the last good checkpoint \(step 9\) is kept"
    with pytest.raises(UserError, match=message):
        trained(tmp_path, epochs=4, **PLANE)


def test_a_signal_after_a_nan_saves_nothing(tmp_path, monkeypatch):
    poison_data(monkeypatch, 3)
    signal_at(4, signal.SIGTERM, monkeypatch)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(UserError, match=r"diverged at step 4: .*checkpoint \(step 3\) is kept"):
        trained(tmp_path, **PLANE)
    assert final_step(tmp_path) == 3
    assert signal.getsignal(signal.SIGTERM) is before


def test_after_a_divergence_the_rest_may_be_trained_with_other_settings(tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        poison_data(context, 4)
        with pytest.raises(UserError, match="diverged"):
            trained(tmp_path, epochs=2, **PLANE)
    model = trained(tmp_path, epochs=2, learning_rate=1e-5, **PLANE)
    assert int(model.step.numpy()) == 6
    assert float(model.encoder_optimizer.learning_rate.numpy()) == pytest.approx(1e-5)
    assert history.read_events(tmp_path / "history.jsonl")[1:] == [
        {"event": "settings", "step": 3, "changed": {"learning_rate": [TINY.learning_rate, 1e-5]}}
    ]
    assert read_config(tmp_path).learning_rate == 1e-5
    assert "--learning_rate=1e-05\n" in (tmp_path / "flags.txt").read_text()


@pytest.mark.parametrize("precision", ["off", pytest.param("float16", marks=pytest.mark.slow)])
def test_a_rollback_halves_all_rates_for_good(precision, tmp_path, monkeypatch, caplog):
    """Across the change of stage: back to before it, and then through it again."""
    poison_gradient(monkeypatch, 10, above=0.75 * TINY.learning_rate)
    if precision == "float16":  # a gradient that is not finite is left out there; the loss is not
        poison_loss_at_high_rate(monkeypatch, 10)
    settings = PLANE | {"mixed_precision": precision, "on_nonfinite": "rollback"}
    model = trained(tmp_path, epochs=4, **settings)
    assert (int(model.step.numpy()), model.stage) == (12, "introspective")
    assert np.isfinite(model.prior.mixture.max_logvar.numpy()).all()
    rollback = history.read_events(tmp_path / "history.jsonl")[1]
    assert (rollback["event"], rollback["to"], rollback["rate_factor"]) == ("rollback", 9, 0.5)
    assert (
        "back to the checkpoint of step 9, with all rates halved (rollback 1 of 3)" in caplog.text
    )
    assert state_value(tmp_path, "introspection_step") == 9
    model = trained(tmp_path, epochs=5, **settings)
    for optimizer in model.optimizers:
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(TINY.learning_rate / 2)
    if precision == "float16":
        assert all(float(o.dynamic_scale.numpy()) >= 1.0 for o in model.optimizers)
    assert state_value(tmp_path, "rollbacks") == 1


def poison_loss_at_high_rate(monkeypatch, step):
    """The encoder's loss of the step after `step` is NaN while the rate is not halved."""
    original = SoftIntroVAE.encoder_step

    def poisoned(self, x, noise):
        losses, posterior = original(self, x, noise)
        rate = self.encoder_optimizer.learning_rate.value
        bad = (self.step.value == step) & (rate > 1.5e-4)
        loss = tf.where(bad, float("nan"), losses["encoder_loss"])
        return losses | {"encoder_loss": loss}, posterior

    monkeypatch.setattr(SoftIntroVAE, "encoder_step", poisoned)


def test_rollbacks_that_do_not_help_end(tmp_path, monkeypatch):
    poison_data(monkeypatch, 4)
    with pytest.raises(UserError, match=r"2 rollbacks did not help, --max_rollbacks=2; .*step 3"):
        trained(tmp_path, on_nonfinite="rollback", max_rollbacks=2, **PLANE)
    events = history.read_events(tmp_path / "history.jsonl")
    assert [e.get("rate_factor") for e in events] == [None, 0.5, None, 0.25, None]
    assert final_step(tmp_path) == 3


def test_new_rates_hold_as_they_are_given():
    state = RunState()
    state.adopt_rates((1e-3, 1e-3, 1e-4))
    state.rollbacks.assign(2)
    state.adopt_rates((1e-3, 1e-3, 1e-4))
    assert state.rate_factor == 0.25
    state.adopt_rates((1e-3, 1e-3, 2e-4))
    assert state.rate_factor == 1.0


# Several steps in a call ----------------------------------------------------------------------------


def test_several_steps_in_one_call_change_nothing(straight, tmp_path):
    trained(tmp_path, steps_per_execution=3, **PLANE)
    assert_same_state(tmp_path, straight)


def test_several_steps_in_one_call_must_fill_the_epoch(tmp_path):
    with pytest.raises(UserError, match=r"steps_per_execution=2 does not divide the 3 steps"):
        trained(tmp_path, steps_per_execution=2, **PLANE)
    with pytest.raises(UserError, match=r"steps_per_execution=6 does not .* the 15 steps trained"):
        loop._check_execution(dataclasses.replace(TINY, steps_per_execution=6), 6, 15)


def test_rates_must_not_change_within_a_call():
    def check(*milestones, step=0):
        config = dataclasses.replace(TINY, steps_per_execution=3, lr_milestones=milestones)
        loop._check_execution(config, 3, step)

    with pytest.raises(
        UserError, match=r"lr_milestones=4 lies inside a call .*=3.* multiples of 3"
    ):
        check(3, 4)
    check(3, 6)
    check(4, step=6)  # long past
    check(19)  # after the end


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
    states, step, kept = [], 0, (False, "vae")
    for stop in sorted({s for s in stops if s < schedule.total} | {schedule.total}):
        model = RecordingModel()
        model.handed_over, model.stage = kept
        for start, end in schedule.segments(step):
            kept = model.handed_over, model.stage  # a checkpoint at a change is from before it
            if start >= stop:
                break
            schedule.enter(model, RunState(), start)
            kept = model.handed_over, model.stage
            states += [kept] * (min(end, stop) - start)
            if end >= stop:
                break
        step = stop
    return states


def test_segments_by_hand():
    schedule = Schedule.from_config(TINY, 3)
    assert schedule == Schedule(hand_over=6, introspection=9, total=18)
    assert list(schedule.segments(0)) == [(0, 6), (6, 9), (9, 18)]
    assert list(schedule.segments(7)) == [(7, 9), (9, 18)]
    assert list(schedule.segments(9)) == [(9, 18)]
    assert list(schedule.segments(6)) == [(6, 9), (9, 18)]
    assert list(schedule.segments(18)) == []
    assert list(schedule.segments(21)) == []  # more was trained than is asked for


def test_the_schedules_of_other_settings_by_hand():
    def of(**changes):
        return Schedule.from_config(dataclasses.replace(TINY, **changes), 3)

    assert of(mixture_warmup_epochs=0) == Schedule(9, 9, 18)
    assert of(mixture_warmup_epochs=3) == Schedule(0, 9, 18)
    assert of(prior="standard_normal") == Schedule(None, 9, 18)
    assert of(prior_player="encoder") == Schedule(None, 9, 18)
    assert of(prior_player="none") == Schedule(6, 9, 18)
    assert of(vae_epochs=5) == Schedule(12, 15, 18)
    plain = of(vae_epochs=6)
    assert plain == Schedule(None, 18, 18)  # algorithm.md: to the end with its VampPrior
    assert list(plain.segments(4)) == [(4, 18)]  # no change lies before the end


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (5, []),
        (6, ["hand_over"]),
        (8, ["hand_over"]),  # late
        (9, ["hand_over", "introspection"]),
        (18, ["hand_over", "introspection"]),
    ],
)
def test_all_changes_that_are_due_are_made_once_and_noted(step, changes):
    model, state = RecordingModel(), RunState()
    Schedule(6, 9, 18).enter(model, state, step)
    assert model.changes == changes
    noted = [int(v.numpy()) for v in (state.hand_over_step, state.introspection_step)]
    assert noted == [step if change in changes else -1 for change in ("hand_over", "introspection")]
    Schedule(6, 9, 18).enter(model, state, step)
    assert model.changes == changes


def test_changes_at_one_step_come_in_order():
    model = RecordingModel()
    Schedule(0, 0, 9).enter(model, RunState(), 0)
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
    assert list(loop._whole_epochs(4, 12, 3)) == [(1, 2, 2), (2, 4, 3)]
    assert list(loop._whole_epochs(6, 12, 3)) == [(2, 4, 3)]
    assert list(loop._whole_epochs(11, 12, 3)) == [(3, 4, 1)]
