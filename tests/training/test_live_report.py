"""The report that a run writes as it goes on: when, at what cost, and that it never ends the run."""

import json
import logging
import pathlib
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.support.cases import Case, data
from tests.support.made_runs import make_run
from tests.support.runs import assert_same_state, final_state, final_step, trained
from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.training import live_report, run_record
from tf_sintrovae.training.live_report import LiveReport, Reporter
from tf_sintrovae.training.snapshots import Snapshots


class Clock:
    """A time that moves only when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pass_by(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def written(monkeypatch):
    """The folders whose reports were written, in place of writing them."""
    folders: list[pathlib.Path] = []
    monkeypatch.setattr(live_report, "write_report", lambda root, history: folders.append(root))
    return folders


def test_reports_come_at_most_once_a_minute(tmp_path, clock, written):
    reporter = Reporter(tmp_path, clock, first_seconds=20)
    times = []
    for _ in range(200):
        clock.pass_by(1)
        before = len(written)
        reporter.write_if_due()
        times += [clock.now - 100] * (len(written) - before)
    assert times == [20, 80, 140, 200]


def test_reports_that_take_long_come_seldom(tmp_path, clock, written):
    reporter = Reporter(tmp_path, clock, first_seconds=0)
    reporter.write(lambda: clock.pass_by(20))  # the first one compiles
    clock.pass_by(60)
    assert reporter.is_due()
    reporter.write(lambda: clock.pass_by(6))  # which is 5 % of 120 seconds
    clock.pass_by(113)
    assert not reporter.is_due()
    clock.pass_by(1)
    assert reporter.is_due()


def test_a_report_that_cannot_be_written_is_told_once(tmp_path, clock, caplog):
    reporter = Reporter(tmp_path / "nowhere", clock)
    with caplog.at_level(logging.WARNING, "tf_sintrovae"):
        reporter.write()
        reporter.write()
    (record,) = caplog.records
    assert "the report cannot be written, the run goes on" in record.getMessage()
    assert "nowhere" in record.getMessage()


def test_pictures_that_fail_cost_no_report(tmp_path, clock, written, caplog):
    def fail():
        raise ArithmeticError("no picture")

    Reporter(tmp_path, clock).write(fail)
    assert written == [tmp_path]
    assert "no picture" in caplog.text


def fitted(callback, step=22, divergence=None):
    """The callback as Keras has it in training."""
    model = SimpleNamespace(step=tf.Variable(step, dtype=tf.int64), divergence=divergence)
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def make_callback(root, clock, take):
    state = SimpleNamespace(
        steps_per_epoch=tf.Variable(11),
        hand_over_step=tf.Variable(11),
        introspection_step=tf.Variable(-1),
    )
    return LiveReport(Reporter(root, clock, first_seconds=1), root, take, state, 128, 66)


def test_training_notes_its_progress_and_draws(tmp_path, clock, written):
    root = make_run(tmp_path / "run")
    run_record.begin(root, [])
    drawn = []
    callback = fitted(make_callback(root, clock, drawn.append))
    callback.on_train_batch_end(0)
    assert not drawn and not written
    clock.pass_by(1)
    callback.model.step.assign(33)
    callback.on_train_batch_end(1)
    assert drawn == written == [root]
    record = run_record.read(root)
    assert {name: record[name] for name in ("step", "total_steps", "steps_per_epoch")} == {
        **{"step": 33, "total_steps": 66, "steps_per_epoch": 11}
    }
    assert (record["hand_over_step"], record["introspection_step"]) == (11, -1)
    assert record["examples_per_second"] > 0


def test_what_has_diverged_is_not_drawn(tmp_path, clock, written):
    callback = fitted(make_callback(tmp_path, clock, pytest.fail), divergence=(22, ["kl"]))
    clock.pass_by(100)
    callback.on_train_batch_end(0)
    assert not written


def test_a_run_that_ends_leaves_a_report_of_its_end(tmp_path):
    root = make_run(tmp_path / "run", epochs=0)
    with live_report.reported(root):
        pass
    assert "finished" in (root / "report.html").read_text()
    with pytest.raises(RuntimeError), live_report.reported(root):
        raise RuntimeError("as it happens")
    text = (root / "report.html").read_text()
    assert "failed" in text and "as it happens" in text


def test_a_command_that_trained_nothing_leaves_no_report(tmp_path):
    with pytest.raises(RuntimeError), live_report.reported(tmp_path):
        raise RuntimeError("no data")
    assert not (tmp_path / "report.html").exists()


def test_an_error_is_not_followed_by_another(tmp_path, caplog):
    (tmp_path / "history.jsonl").touch()  # and no config.json
    with pytest.raises(RuntimeError), live_report.reported(tmp_path):
        raise RuntimeError("the disk is full")
    assert not caplog.records


@pytest.mark.parametrize("prior", ["mixture", "standard_normal", "vamp"])
def test_snapshots_show_a_model_in_training(tmp_path, prior):
    case = Case("points", prior)
    model = case.model()
    y = np.arange(16) % 2
    source = ArraySource("mine", *held_out(data(case.shape, 16), y))
    image = np.full((4, 6, 3), 7, np.uint8)
    snapshots = Snapshots(model, source, lambda: {"samples": image}, seed=0)
    snapshots.take(tmp_path)
    snapshots.take(tmp_path)
    (path,) = (tmp_path / "snapshots").iterdir()
    picture = PIL.Image.open(path)
    np.testing.assert_array_equal(np.asarray(picture), image)
    assert picture.info["Comment"] == "step 0"
    use = json.loads((tmp_path / "components.json").read_text())
    assert use["num_components"] == model.prior.num_components
    assert sum(use["weights"]) == pytest.approx(1.0, abs=1e-3)
    assert sum(use["responsibilities"]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_reports_after_every_step_change_nothing_in_training(tmp_path, monkeypatch):
    """Of images, whose batch norm would keep statistics if it were asked in training mode."""
    trained(tmp_path / "without")
    monkeypatch.setattr(Reporter, "is_due", lambda self: True)
    write = Counting(live_report.write_report)
    monkeypatch.setattr(live_report, "write_report", write)
    trained(tmp_path / "with", reporter=Reporter(tmp_path / "with"))
    assert write.count == final_step(tmp_path / "with") == 18
    assert_same_state(tmp_path / "with", final_state(tmp_path / "without"))
    names = {path.name for path in (tmp_path / "with" / "snapshots").iterdir()}
    assert names == {"samples.png", "reconstructions.png"}


class Counting:
    """A function that counts its calls."""

    def __init__(self, function):
        self._function = function
        self.count = 0

    def __call__(self, *arguments):
        self.count += 1
        return self._function(*arguments)
