"""The event file of a run: names, one point a step whatever happens, no more than TensorBoard keeps."""

import json
import types

import numpy as np
import pytest

from tests.support.runs import PLANE, killed_at, trained
from tests.support.tensorboard_events import scalars, series
from tf_sintrovae.monitoring import names
from tf_sintrovae.monitoring.prior_use import PriorUse
from tf_sintrovae.monitoring.summaries import Summaries
from tf_sintrovae.step_metrics import METRICS
from tf_sintrovae.training import history

USE = PriorUse(
    np.array([0.7, 0.2, 0.09, 0.01]),
    np.zeros(8),
    np.array([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]]),
)
PICTURE = np.zeros((4, 5, 3), np.uint8)


def number(value):
    return types.SimpleNamespace(numpy=lambda: value)


class Run:
    """A run that does nothing but tell its callback of epochs of three steps."""

    def __init__(self, folder, num_epochs, **parts):
        optimizers = [types.SimpleNamespace(learning_rate=number(rate)) for rate in (0.1, 0.2, 0.4)]
        self.model = types.SimpleNamespace(optimizers=optimizers, steps_per_execution=1)
        self.projections = 0
        parts = {"draw": lambda: {"samples": PICTURE}, "observe": lambda: USE} | parts
        self.summaries = Summaries(
            folder, project=self._project, batch_size=16, num_epochs=num_epochs, **parts
        )
        self.summaries.set_model(self.model)

    def train(self, first, last, value=1.0):
        """Epochs `first` to `last`, counted from 1, each with the losses `{"loss": value, ...}`."""
        self.model.step = number(3 * (first - 1))
        self.summaries.on_train_begin()
        for epoch in range(first - 1, last):
            self.summaries.on_epoch_begin(epoch)
            for batch in range(3):
                self.summaries.on_train_batch_end(batch)
            self.model.step = number(3 * (epoch + 1))
            self.summaries.on_epoch_end(epoch, {"loss": value, "val_kl": 2.0, "fid": 3.0})
        self.summaries.on_train_end()

    def _project(self):
        self.projections += 1


def test_scalars_have_the_names_of_their_players(tmp_path):
    Run(tmp_path, 2).train(1, 2)
    found = scalars(tmp_path)
    speeds = found.pop(names.EXAMPLES_PER_SECOND)
    assert list(speeds) == [3, 6] and min(speeds.values()) > 0
    assert found == {
        "all_players/loss": {3: 1.0, 6: 1.0},
        "validation/kl": {3: 2.0, 6: 2.0},
        "further/fid": {3: 3.0, 6: 3.0},
        "learning_rate/encoder": pytest.approx({3: 0.1, 6: 0.1}),
        "learning_rate/decoder": pytest.approx({3: 0.2, 6: 0.2}),
        "learning_rate/prior": pytest.approx({3: 0.4, 6: 0.4}),
        names.INACTIVE: {3: 1.0, 6: 1.0},
        names.INACTIVE_BY_RESPONSIBILITY: {3: 2.0, 6: 2.0},
    }


def test_every_metric_has_a_name_of_its_own_and_the_page_shows_only_what_there_is():
    by_metric = {metric: names.scalar_name(metric) for metric in METRICS}
    assert len(set(by_metric.values())) == len(METRICS)
    assert not any(name.startswith("further/") for name in by_metric.values())
    written = {*by_metric.values(), names.INACTIVE, names.INACTIVE_BY_RESPONSIBILITY}
    written |= {names.EXAMPLES_PER_SECOND, *(f"learning_rate/{p}" for p in names.PLAYERS)}
    written |= {f"validation/{name}" for name in ("loss", "rec", "kl")}
    shown = {
        tag for c in names.layout().category for chart in c.chart for tag in chart.multiline.tag
    }
    assert {tag.strip("^$") for tag in shown} == written


def test_histograms_pictures_and_the_page_are_there(tmp_path):
    run = Run(tmp_path, 2)
    run.train(1, 2)
    found = series(tmp_path)
    assert found["prior/weights"][-1][1][:, 2].sum() == 4
    assert found["prior/log_variances"][-1][1][:, 2].sum() == 8
    assert found["prior/responsibilities"][-1][1][:, 2].sum() == 8
    assert [step for step, _ in found["training/samples"]] == [3, 6]
    assert [step for step, _ in found["custom_scalars__config__"]] == [0]
    assert run.projections == 2


@pytest.mark.parametrize("num_epochs", [7, 1001, 2500])
def test_a_long_run_has_as_many_points_as_tensorboard_keeps(tmp_path, num_epochs):
    run = Run(tmp_path, num_epochs)
    run.train(1, num_epochs)
    found = series(tmp_path)
    for tag, most in {
        "all_players/loss": 1000,
        "prior/weights": 25,
        "training/samples": 10,
    }.items():
        steps = [step for step, _ in found[tag]]
        assert min(num_epochs, most) / 2 < len(steps) <= most
        assert steps[-1] == 3 * num_epochs
        assert len(set(np.diff(steps))) <= 1
    assert run.projections == len(found["training/samples"])


def test_a_run_that_is_continued_again_and_again_stays_as_small(tmp_path):
    for last in range(1, 61):
        Run(tmp_path, last).train(last, last)
    found = series(tmp_path)
    assert len(found["training/samples"]) <= 20
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("same_process", [True, False])
def test_what_was_repeated_has_one_point_a_step(tmp_path, same_process):
    """After a rollback, and after a kill."""
    run = Run(tmp_path, 6)
    run.train(1, 4, value=1.0)
    if not same_process:
        run = Run(tmp_path, 6)
    run.train(3, 6, value=5.0)
    assert len(series(tmp_path)["custom_scalars__config__"]) == 1
    expected = dict(zip(range(3, 19, 3), [1.0, 1.0, 5.0, 5.0, 5.0, 5.0], strict=True))
    assert scalars(tmp_path)["all_players/loss"] == expected


def test_what_cannot_be_drawn_is_told_once_and_ends_nothing(tmp_path, caplog):
    def fail():
        raise ValueError("no colours")

    Run(tmp_path, 3, draw=fail, observe=fail).train(1, 3)
    assert len(scalars(tmp_path)["all_players/loss"]) == 3
    (record,) = caplog.records
    assert record.getMessage() == "TensorBoard gets no pictures, the run goes on: no colours"


def test_a_killed_run_that_is_resumed_has_the_points_of_its_history(tmp_path):
    """Killed in epoch 5, with the checkpoint of epoch 3: epoch 4 is trained and written twice."""
    changes = PLANE | {"checkpoint_seconds": 3600.0}  # saves at the ends of stages alone
    killed_at(14, tmp_path, **changes)
    assert list(scalars(tmp_path / "tensorboard")["all_players/rec"]) == [3, 6, 9, 12]
    trained(tmp_path, **changes)
    found = scalars(tmp_path / "tensorboard")
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line).get("epoch") for line in lines].count(4) == 2
    rows = history.read_history(tmp_path / "history.jsonl")
    assert len(rows) == 6
    for metric in ("rec", "loss", "kl_fake"):
        expected = {row["step"]: row[metric] for row in rows if metric in row}
        assert found[names.scalar_name(metric)] == pytest.approx(expected, rel=1e-6)
    assert len(list((tmp_path / "tensorboard").glob("events*"))) == 1
