"""The best checkpoint beside the last one, and runs that end when nothing gets better."""

import json
import signal

import numpy as np
import pytest
import tensorflow as tf

from tests.support.runs import (
    PLANE,
    assert_same_state,
    command,
    final_state,
    final_step,
    signal_at,
    trained,
)
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import callbacks, history, loop
from tf_sintrovae.training.best import BestCheckpoint

BEST = PLANE | {"best_metric": "jsd_nats", "export": True, "eval_epochs": 1}


class Script:
    """Stands for a metric: gives the values it is told, by epoch, and keeps the weights it saw."""

    def __init__(self, *values: float):
        self.values = values
        self.seen: dict[int, np.ndarray] = {}

    def __call__(self, model) -> float:
        epoch = int(model.step.numpy()) // 3
        self.seen[epoch] = model.decoder.get_weights()[0]
        return self.values[epoch - 1]


def read_best(folder) -> dict:
    return json.loads((folder / "best" / "best.json").read_text())


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The final state of a run that looks at no metric."""
    folder = tmp_path_factory.mktemp("straight")
    trained(folder, **PLANE)
    return final_state(folder)


def test_the_least_value_is_kept_with_the_model_that_had_it_and_training_is_not_disturbed(
    straight, tmp_path
):
    script = Script(5.0, 4.0, 3.0, 1.0, 2.0, 1.0)
    model = trained(tmp_path, script, **BEST)
    assert_same_state(tmp_path, straight)
    kept = {"metric": "jsd_nats", "value": 1.0, "step": 12, "epoch": 4, "handed_over": True}
    assert read_best(tmp_path) == kept
    checkpoint = BestCheckpoint(model, tmp_path / "best")
    last = model.decoder.get_weights()[0]
    with checkpoint.restored(checkpoint.read("jsd_nats")):
        np.testing.assert_array_equal(model.decoder.get_weights()[0], script.seen[4])
    np.testing.assert_array_equal(model.decoder.get_weights()[0], last)
    assert {path.name.split(".")[0] for path in (tmp_path / "best").glob("ckpt*")} == {"ckpt-12"}
    rows = history.read_history(tmp_path / "history.jsonl")
    assert [row["jsd_nats"] for row in rows] == list(script.values)


@pytest.mark.slow
def test_over_two_replicas_the_same_is_measured_kept_and_validated(tmp_path):
    """Validation beside it gives what one device gives for the last weights."""
    script = Script(5.0, 4.0, 3.0, 1.0, 2.0, 1.0)
    trained(tmp_path, script, **BEST, validation=True, strategy="mirrored")
    assert (read_best(tmp_path)["value"], read_best(tmp_path)["epoch"]) == (1.0, 4)
    last = history.read_history(tmp_path / "history.jsonl")[-1]

    alone = trained(tmp_path, Script(), **BEST, strategy="single")
    checkpoint = BestCheckpoint(alone, tmp_path / "best")
    with checkpoint.restored(checkpoint.read("jsd_nats")):
        np.testing.assert_array_equal(alone.decoder.get_weights()[0], script.seen[4])
    batches = loop.validation_batches(registry.load("8gaussians"), BEST["batch_size"])
    again = alone.evaluate(batches, return_dict=True, verbose=0)
    for name in ("loss", "rec", "kl"):
        assert last[f"val_{name}"] == pytest.approx(float(again[name]), rel=1e-5)


def test_the_best_of_the_vamp_prior_is_restored_as_one(tmp_path):
    model = trained(tmp_path, Script(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), **BEST)
    checkpoint = BestCheckpoint(model, tmp_path / "best")
    with checkpoint.restored(checkpoint.read("jsd_nats")):
        assert not model.prior.handed_over
    assert model.prior.handed_over


def test_a_run_that_gets_no_better_ends_and_goes_on_when_given_patience(tmp_path):
    values = Script(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    trained(tmp_path, values, **BEST, early_stop_epochs=2)
    assert final_step(tmp_path) == 15  # two epochs after the introspective stage began
    trained(tmp_path, values, **BEST, early_stop_epochs=2)
    assert final_step(tmp_path) == 15
    assert max(values.seen) == 5
    trained(tmp_path, values, **BEST, early_stop_epochs=3)
    assert final_step(tmp_path) == 18


def test_looks_are_made_again_by_a_run_that_was_stopped(straight, tmp_path, monkeypatch):
    values = Script(5.0, 4.0, 3.0, 2.0, 1.0, 0.5)
    with monkeypatch.context() as context:
        signal_at(13, signal.SIGTERM, context)
        with pytest.raises(callbacks.Stopped):
            trained(tmp_path, values, **BEST)
    assert read_best(tmp_path)["epoch"] == 4
    trained(tmp_path, values, **BEST)
    assert read_best(tmp_path)["epoch"] == 6
    assert_same_state(tmp_path, straight)


def test_a_damaged_note_of_the_best_is_one_clear_error(tmp_path):
    values = Script(*[1.0] * 6)
    trained(tmp_path, values, **BEST)
    (tmp_path / "best" / "best.json").write_text('{"metric": "jsd_nats"')
    with pytest.raises(UserError, match=r"best\.json is damaged.*remove"):
        trained(tmp_path, values, **BEST | {"epochs": 7})


def test_the_files_of_another_best_metric_are_not_taken_for_this_one(tmp_path):
    trained(tmp_path, Script(*[0.25] * 6), **BEST)
    trained(tmp_path, Script(*[7.0] * 8), **BEST | {"best_metric": "kl_nats", "epochs": 7})
    assert read_best(tmp_path)["metric"] == "kl_nats"
    assert read_best(tmp_path)["value"] == 7.0


def test_the_command_exports_and_measures_last_and_best(tmp_path):
    done = command(
        *("--preset=8gaussians", "--widths=8", "--batch_size=64", "--num_components=4"),
        *("--epochs=3", "--vae_epochs=2", "--mixture_warmup_epochs=1", "--steps_per_epoch=3"),
        *("--best_metric=jsd_nats", "--eval_epochs=1", "--metrics=divergences"),
        f"--workdir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done
    best, run = read_best(tmp_path / "run"), tmp_path / "run"
    last, results = (
        json.loads((run / name).read_text()) for name in ("results.json", "results_best.json")
    )
    assert (last["step"], results["step"]) == (9, best["step"])
    assert results["metrics"]["jsd_nats"] == pytest.approx(best["value"], rel=1e-6)
    assert results["metrics"]["jsd_nats"] <= last["metrics"]["jsd_nats"]
    info = json.loads((run / "saved_model_best" / "model_info.json").read_text())
    assert (info["step"], info["epoch"]) == (best["step"], best["epoch"])
    tf.saved_model.load(str(run / "saved_model_best"))
