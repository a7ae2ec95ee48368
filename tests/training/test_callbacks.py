"""What happens around training, on a model whose steps only note the rates they ran with."""

import json
import math
import os
import pathlib
import signal
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.step_metrics import STAGE_METRICS
from tf_sintrovae.training import callbacks, history, progress
from tf_sintrovae.training.divergence import DivergenceError

PLAYERS = ("encoder", "decoder", "prior")


class Recorder(keras.Model):
    """Looks like a `SoftIntroVAE` to callbacks; `rates[step]` are its optimizers' rates [3]."""

    def __init__(self, rates=(1.0, 2.0, 4.0), step=0, steps_per_execution=1):
        super().__init__()
        self.optimizers = [keras.optimizers.SGD(rate) for rate in rates]
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.step.assign(step)
        self.rates = tf.Variable(tf.zeros((64, 3)))
        self.mean = keras.metrics.Mean("loss")
        self.stage = "vae"
        self.built = True
        self.compile(self.optimizers[0], steps_per_execution=steps_per_execution)

    def train_step(self, data):
        rates = tf.stack([optimizer.learning_rate.value for optimizer in self.optimizers])
        self.rates.scatter_nd_update([[self.step.value]], [rates])
        self.step.assign_add(1)
        self.mean.update_state(data)
        return {"loss": self.mean.result()}

    @property
    def metrics(self):
        return [self.mean]

    @property
    def divergence(self):
        finite = math.isfinite(float(self.mean.result()))
        return None if finite else (int(self.step.numpy()), ["loss"])

    def run(self, callback, epochs=1, steps=4, initial_epoch=0, value=1.0):
        self.fit(
            tf.data.Dataset.from_tensors([value]).repeat(),
            initial_epoch=initial_epoch,
            epochs=epochs,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,
            callbacks=callback if isinstance(callback, list) else [callback],
        )

    def divisions(self, first=0):
        """By how many powers of 10 the rates of each step were divided, the same for all players."""
        ratios = np.array([1.0, 2.0, 4.0]) / self.rates.numpy()[first : int(self.step.numpy())]
        np.testing.assert_allclose(ratios, ratios[:, :1] * np.ones(3), rtol=1e-6)
        return np.round(np.log10(ratios[:, 0]), 4).tolist()


class FakeCheckpoints:
    """Notes at which steps it was asked to save."""

    def __init__(self, model):
        self.model = model
        self.saved_at = -math.inf
        self.steps = []

    def save(self):
        self.steps.append(int(self.model.step.numpy()))


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = SimpleNamespace(seconds=0.0)
    for module in (callbacks, progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


# Rates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps_per_execution", "milestones", "expected"),
    [
        (1, (), [0, 0, 0, 0, 0, 0, 0, 0]),
        (1, (3, 6), [0, 0, 0, 1, 1, 1, 2, 2]),
        (1, (1, 2), [0, 1, 2, 2, 2, 2, 2, 2]),
        (2, (4, 6), [0, 0, 0, 0, 1, 1, 2, 2]),
        (4, (4,), [0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_rates_fall_at_the_milestones_over_epochs(steps_per_execution, milestones, expected):
    model = Recorder(steps_per_execution=steps_per_execution)
    model.run(callbacks.LearningRates((1.0, 2.0, 4.0), milestones), epochs=2)
    assert model.divisions() == expected


def test_a_resumed_run_has_the_rates_of_its_step():
    model = Recorder(step=5)
    model.run(callbacks.LearningRates((1.0, 2.0, 4.0), (3, 6)))
    assert model.divisions(first=5) == [1, 2, 2, 2]


def test_a_factor_holds_for_all_rates_and_is_asked_for_when_training_begins():
    factor = 0.5
    model = Recorder()
    rates = callbacks.LearningRates((1.0, 2.0, 4.0), (2,), lambda: factor)
    model.run(rates)
    factor = 0.25
    model.run(rates, initial_epoch=1, epochs=2)
    expected = [0.5, 0.5, 0.05, 0.05, *[0.025] * 4]
    np.testing.assert_allclose(model.rates.numpy()[:8, 2], 4.0 * np.array(expected), rtol=1e-6)


# Stopping -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_ends_training_before_anything_is_saved(value, tmp_path):
    model = Recorder()
    checkpoints = FakeCheckpoints(model)
    path = tmp_path / "history.jsonl"
    around = [
        callbacks.StopOnDivergence(),
        callbacks.History(path),
        callbacks.SaveCheckpoints(checkpoints, 0.0),
    ]
    model.run(around, epochs=2)
    with pytest.raises(UserError, match=r"diverged at step \d+: loss not finite"):
        model.run(around, initial_epoch=2, epochs=4, value=value)
    assert checkpoints.steps == [4, 8, 8]  # two epochs and the end of the first `fit`
    assert [row["epoch"] for row in history.read_history(path)] == [1, 2]


@pytest.mark.parametrize(("seconds", "steps"), [(1.0, [3]), (0.0, [1]), (99.0, [4])])
def test_within_an_epoch_it_looks_now_and_then(seconds, steps, clock):
    """Half a second a step: after a second, i.e. at the third look, at once, or at the epoch's end."""
    model = Recorder()
    stop = callbacks.StopOnDivergence(seconds)
    tick = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(clock, "seconds", clock.seconds + 0.4)
    )
    with pytest.raises(DivergenceError) as error:
        model.run([tick, stop], value=float("nan"))
    assert [error.value.step] == steps


class SignalAt(keras.callbacks.Callback):
    """Sends this process a signal at the end of a step, or of an epoch."""

    def __init__(self, number, step=None, epoch=None):
        super().__init__()
        self.number, self.step, self.epoch = number, step, epoch

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == self.step:
            os.kill(os.getpid(), self.number)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def handlers():
    """The signals' handlers before; whatever the test leaves is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("sent", "stopped_at"),
    [({"step": 2}, 2), ({"step": 4}, 4), ({"step": 8}, 8), ({"epoch": 0}, 4), ({"epoch": 1}, 8)],
)
def test_a_signal_stops_after_its_step_or_epoch_and_is_saved(number, sent, stopped_at, handlers):
    """Also in the last step, and after it while the last epoch's figures are drawn."""
    model = Recorder()
    checkpoints = FakeCheckpoints(model)
    around = [
        SignalAt(number, **sent),
        callbacks.SaveCheckpoints(checkpoints, 1e9),
        callbacks.StopOnSignal(checkpoints),
    ]
    with pytest.raises(callbacks.Stopped, match=f"stopped at step {stopped_at}$"):
        model.run(around, epochs=2)
    assert checkpoints.steps[-1] == stopped_at
    assert {n: signal.getsignal(n) for n in handlers} == handlers


def test_a_signal_after_a_divergence_saves_nothing_and_stays_asked_for(handlers):
    """Also when it is seen at once: the message is that of the divergence, and the run may go back."""
    model = Recorder()

    class Refusing(FakeCheckpoints):
        def save(self):
            raise DivergenceError(2, ["loss"])

    checkpoints = Refusing(model)
    stop = callbacks.StopOnSignal(checkpoints)
    with pytest.raises(DivergenceError, match="diverged at step 2: loss not finite"):
        model.run([SignalAt(signal.SIGTERM, step=2), stop])
    healthy = FakeCheckpoints(model)
    stop._checkpoints = healthy
    with pytest.raises(callbacks.Stopped, match="stopped at step 3"):
        model.run([stop])
    assert healthy.steps == [3]
    assert {n: signal.getsignal(n) for n in handlers} == handlers


def test_without_a_signal_the_handlers_are_given_back(handlers):
    model = Recorder()
    stop = callbacks.StopOnSignal(FakeCheckpoints(model))
    model.run(stop)
    assert {n: signal.getsignal(n) for n in handlers} == handlers


def test_a_second_ctrl_c_ends_at_once(handlers):
    stop = callbacks.StopOnSignal(FakeCheckpoints(Recorder()))
    stop.on_train_begin()
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_with_other_workers_a_signal_waits_for_the_step_that_tells_them(handlers):
    """The request goes into the model before the next step, also past an epoch's end."""
    model = Recorder()
    model.stop_requested = tf.Variable(0, dtype=tf.int64)
    checkpoints = FakeCheckpoints(model)
    checkpoints.saved_at = math.inf
    around = [
        SignalAt(signal.SIGTERM, step=4),
        callbacks.SaveCheckpoints(checkpoints, 1e9),
        callbacks.StopOnSignal(checkpoints, shared=True),
    ]
    with pytest.raises(callbacks.Stopped, match=r"stopped at step 5$"):
        model.run(around, epochs=2)
    assert checkpoints.steps == [5]
    assert {n: signal.getsignal(n) for n in handlers} == handlers


def test_a_request_of_another_worker_stops_this_one():
    model = Recorder()
    model.stop_requested = tf.Variable(0, dtype=tf.int64)
    checkpoints = FakeCheckpoints(model)
    told = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: model.stop_requested.assign(int(batch == 1))
    )
    with pytest.raises(callbacks.Stopped, match=r"stopped at step 2$"):
        model.run([told, callbacks.StopOnSignal(checkpoints, shared=True)])


def test_all_save_and_end_when_one_does():
    model = Recorder()
    checkpoints, asked = FakeCheckpoints(model), []
    checkpoints.saved_at = math.inf

    def on_any(flag):
        asked.append(flag)
        return True

    around = [callbacks.SaveCheckpoints(checkpoints, 1e9, on_any), callbacks.EndTogether(on_any)]
    model.run(around, epochs=2)
    assert asked == [False, False]
    assert checkpoints.steps[0] == 4 and int(model.step.numpy()) == 4


# Checkpoints ----------------------------------------------------------------------------------------


def test_checkpoints_keep_their_distance_and_the_end_is_always_saved(clock):
    model = Recorder()
    checkpoints = FakeCheckpoints(model)
    save = callbacks.SaveCheckpoints(checkpoints, 30.0)
    save.set_model(model)
    checkpoints.saved_at = 0.0
    for epoch, seconds in enumerate((10.0, 29.9, 30.0, 45.0)):
        clock.seconds = seconds
        model.step.assign(epoch + 1)
        save.on_epoch_end(epoch)
        if checkpoints.steps == [3]:
            checkpoints.saved_at = 30.0
    assert checkpoints.steps == [3]
    save.on_train_end()
    assert checkpoints.steps == [3, 4]


# History --------------------------------------------------------------------------------------------


def test_each_epoch_is_a_line(tmp_path):
    path = tmp_path / "history.jsonl"
    Recorder().run(callbacks.History(path), epochs=2)
    first, second = history.read_history(path)
    assert first == {"epoch": 1, "step": 4, "stage": "vae", "loss": 1.0}
    assert second == {"epoch": 2, "step": 8, "stage": "vae", "loss": 1.0}


def test_the_later_line_of_an_epoch_holds_and_epochs_come_in_order(tmp_path):
    path = tmp_path / "history.jsonl"
    rows = [{"epoch": 1, "loss": 1}, {"epoch": 3, "loss": 3}, {"epoch": 2, "loss": 2}]
    rows.append({"epoch": 3, "loss": 4})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [row["loss"] for row in history.read_history(path)] == [1, 2, 4]


def test_the_half_line_of_a_killed_writer_costs_no_other(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"epoch": 1, "loss": 7.0}\n{"epoch": 2, "lo\xff')
    assert [row["epoch"] for row in history.read_history(path)] == [1]
    Recorder().run(callbacks.History(path), initial_epoch=1, epochs=3)
    rows = history.read_history(path)
    assert [(row["epoch"], row["loss"]) for row in rows] == [(1, 7.0), (2, 1.0), (3, 1.0)]


def test_events_are_no_epochs_and_epochs_no_events(tmp_path):
    path = tmp_path / "history.jsonl"
    event = {"event": "diverged", "step": 6, "terms": ["kl"]}
    Recorder().run(callbacks.History(path))
    history.append(path, event)
    path.write_text(path.read_text() + "[1]\n7\n")
    assert [row["epoch"] for row in history.read_history(path)] == [1]
    assert history.read_events(path) == [event]


def test_a_history_on_a_full_disk_is_one_clear_line():
    with pytest.raises(UserError, match=r"/dev/full cannot be written \(No space left"):
        history.append(pathlib.Path("/dev/full"), {"epoch": 1})


def test_no_history_is_no_rows(tmp_path):
    assert history.read_history(tmp_path / "none") == []


# Progress -------------------------------------------------------------------------------------------


def run_progress(
    clock, seconds_a_step, steps, total=10, first=0, stage="vae", metrics=None, **settings
):
    """Runs a `Progress` (10 examples a step, 5 steps an epoch) over steps of the given length."""
    bar = progress.Progress(10, total, 5, **settings)
    model = Recorder(step=first)
    model.stage = stage
    bar.set_model(model)
    bar.on_train_begin()
    for batch in range(steps):
        clock.seconds += seconds_a_step
        bar.on_train_batch_end(batch, metrics or {"loss": 0.123456})
    bar.on_train_end()


def test_a_line_in_a_file_says_where_training_is_and_how_long_it_takes(clock, capsys):
    run_progress(clock, 2.0, steps=6, file_seconds=8.0)
    expected = [
        "epoch 1/2 (VAE), step 4/10, 5 examples/s, 0:00:12 left: loss 0.123",
    ]
    assert capsys.readouterr().out.splitlines() == expected


def test_the_last_step_is_always_reported(clock, capsys):
    run_progress(clock, 0.5, steps=10, file_seconds=100.0)
    assert capsys.readouterr().out.splitlines() == [
        "epoch 2/2 (VAE), step 10/10, 20 examples/s, 0:00:00 left: loss 0.123"
    ]


def test_a_resumed_run_counts_its_own_time(clock, capsys):
    """Steps of before the resume took none of this process's time."""
    clock.seconds = 1000.0
    run_progress(clock, 1.0, steps=2, total=100_000, first=40_000, file_seconds=2.0)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "epoch 8001/20000 (VAE), step 40002/100000, 10 examples/s, 16:39:58 left"
    )


def test_days_are_not_dropped(clock, capsys):
    run_progress(clock, 1.0, steps=2, total=90_002, file_seconds=2.0)
    assert "1 day, 1:00:00 left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("vae", "(VAE), step 2/10, 10 examples/s, 0:00:08 left: rec 100, kl 10, loss 1000"),
        (
            "introspective",
            "(introspective), step 2/10, 10 examples/s, 0:00:08 left: rec 10, kl 1, kl_fake 0.01",
        ),
    ],
)
def test_three_metrics_of_the_stage_are_told(stage, told, clock, capsys):
    metrics = {name: 1000.0 / 10**i for i, name in enumerate(STAGE_METRICS[stage])}
    run_progress(clock, 1.0, steps=2, file_seconds=2.0, stage=stage, metrics=metrics)
    assert capsys.readouterr().out == f"epoch 1/2 {told}\n"


def drawn_lines(out):
    """The states of a redrawn line."""
    assert out.count("\n") == 1 and out.endswith("\n")
    return out.removesuffix("\n").split("\r")[1:]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (200, "epoch 1/2 (VAE), step 3/10, 10 examples/s, 0:00:07 left: loss 0.123"),
        (60, "epoch 1/2 (VAE), 10 examples/s, 0:00:07 left: loss 0.123"),
        (50, "VAE 1/2, 10/s, 0:00:07 left: loss 0.123"),
        (30, "VAE 1/2, 0:00:07 left"),
        (12, "VAE 1/2, 0:"),
    ],
)
def test_a_terminals_line_is_redrawn_in_the_form_that_fits_its_width(
    columns, line, clock, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run_progress(clock, 1.0, steps=3)
    first, second = drawn_lines(capsys.readouterr().out)
    assert second.rstrip() == line
    assert len(first) == len(second) == columns - 1


def test_a_line_that_was_too_long_once_keeps_its_shorter_form(clock, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "54")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    values = iter([1.0, 1.0, 0.123, 1.0])
    bar = progress.Progress(10, 10, 5)
    bar.set_model(Recorder())
    bar.on_train_begin()
    for batch, value in enumerate(values):
        clock.seconds += 1.0
        bar.on_train_batch_end(batch, {"loss": value})
    bar.on_train_end()
    assert [line.split(",")[0] for line in drawn_lines(capsys.readouterr().out)] == [
        "epoch 1/2 (VAE)",
        "VAE 1/2",
        "VAE 1/2",
    ]


def test_all_three_metrics_of_a_long_run_fit_an_ordinary_terminal(clock, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    metrics = {name: 12.3456 for name in STAGE_METRICS["introspective"]}
    settings = {"total": 99_999, "stage": "introspective", "metrics": metrics}
    run_progress(clock, 0.01, steps=12, first=90_000, **settings)
    line = drawn_lines(capsys.readouterr().out)[-1].rstrip()
    assert line.endswith("left: rec 12.3 kl 12.3 kl_fake 12.3")
