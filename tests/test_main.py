"""The command: a dry run end to end, and one clear line for every kind of wrong input."""

import json
import os
import shutil
import signal
import subprocess

import pytest
import tensorflow as tf

from tests.support import tensorboard_events
from tests.support.runs import (
    QUICK,
    ROOT,
    assert_one_clear_line,
    command,
    final_step,
    main_arguments,
    run,
    wait_for,
)
from tf_sintrovae import main, plots
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import groups
from tf_sintrovae.reporting.run_files import read_run
from tf_sintrovae.training import workdir


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_components": 1438}, "num_components=1438 is more than the 1437 training examples"),
        ({"batch_size": 2000}, "batch_size=2000"),
        ({"widths": (4, 4, 4, 4)}, "data set digits: .*image_size"),
        ({"dataset": "files"}, "data_dir"),
        ({"dataset": "cifar10", "data_dir": __file__}, "is a file"),
    ],
)
def test_settings_that_do_not_suit_the_data_are_named(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run(tmp_path, **{"dataset": "digits"} | settings)


def test_the_command_says_so_on_one_line_and_can_be_given_again(tmp_path):
    """The line is all that the command writes to stderr, and the failed start is no run."""
    arguments = ["--dataset=digits", f"--workdir={tmp_path / 'run'}"]
    done = command(*arguments, "--num_components=1438")
    assert_one_clear_line(done, "num_components=1438", "1437")
    assert done.seconds < 20
    config = Config(dataset="digits", workdir=str(tmp_path / "run"))
    with workdir.open_workdir(config):
        pass


def test_data_that_cannot_be_had_are_named(tmp_path):
    done = command(
        "--dataset=fashion_mnist", f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}"
    )
    assert done.returncode == 2
    log, error = done.stderr.splitlines()
    assert log.startswith("fashion_mnist: not in ")
    assert error.startswith("error: fashion_mnist cannot be downloaded")
    assert str(tmp_path) in error and "apt-get install dataset-fashion-mnist" in error
    assert done.seconds < 20


def test_a_running_command_keeps_others_out_and_stops_when_asked(tmp_path):
    folder = tmp_path / "run"
    arguments = [f"--{name}={value}" for name, value in QUICK.items() if name != "epochs"]
    arguments += ["--dataset=rings", "--widths=8", "--batch_size=16", "--epochs=100000"]
    arguments += ["--checkpoint_seconds=0", f"--workdir={folder}"]
    with subprocess.Popen(
        main_arguments(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(folder / "checkpoints" / "ckpt-6.index", process)
        assert_one_clear_line(command(*arguments), "in use by another process")
        assert_one_clear_line(command(*arguments, "--overwrite"), "in use by another process")
        assert read_run(folder).state.name == "running"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert process.returncode == main.STOPPED_EXIT_CODE
    assert err == ""
    assert read_run(folder).state.name == "stopped"
    assert "stopped" in (folder / "report.html").read_text()
    step = final_step(folder)
    assert step >= 6
    assert out.splitlines()[-1] == (
        f"stopped at step {step}; a checkpoint is saved, the same command continues from it"
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the digits, end to end."""
    folder = tmp_path_factory.mktemp("run")
    run(folder, dataset="digits", widths=(3,), batch_size=64)
    return folder


def test_a_run_leaves_everything_it_promises(finished):
    assert {path.name for path in finished.iterdir()} >= {
        "config.json",
        "flags.txt",
        "checkpoints",
        "tensorboard",
        "figures",
        "history.jsonl",
        "results.json",
        "saved_model",
    }
    figures = {path.stem for path in (finished / "figures").glob("*.png")}
    assert figures == {
        "samples",
        "reconstructions",
        "samples_by_component",
        "latent_space",
        "losses",
        "interpolations",
        "component_interpolations",
    }
    results = json.loads((finished / "results.json").read_text())
    assert results["step"] == 6
    assert results["epoch"] == 3
    assert "knn5_accuracy_sampled" in results["metrics"]
    assert all(isinstance(value, (int, float)) for value in results["metrics"].values())


@pytest.fixture
def again(finished, tmp_path):
    """Gives the finished run's command again, in a copy; the export and results of before are gone."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "saved_model")
    (folder / "results.json").unlink()

    def give(**settings):
        run(folder, dataset="digits", widths=(3,), batch_size=64, **settings)
        return json.loads((folder / "results.json").read_text())

    give.folder = folder
    return give


def fail(error):
    def function(*arguments):
        raise error

    return function


def test_a_metric_that_fails_costs_neither_the_export_nor_the_others(again, monkeypatch, capsys):
    monkeypatch.setitem(groups._ANY, "elbo", fail(MemoryError("no room")))
    with pytest.raises(SystemExit) as ended:
        again(metrics=("elbo", "components"))
    assert ended.value.code == 3
    results = json.loads((again.folder / "results.json").read_text())
    assert results["errors"] == {"elbo": "MemoryError: no room"}
    assert results["metrics"]["assignment_entropy_batch_size"] == 64  # the run's
    assert "elbo_test" not in results["metrics"] and "partial" not in results
    tf.saved_model.load(str(again.folder / "saved_model"))
    out, err = capsys.readouterr()
    assert "failed: MemoryError: no room" in out
    assert err.splitlines()[-1].startswith("error: failed: elbo ")


def test_figures_that_fail_cost_neither_export_nor_metrics(again, monkeypatch, caplog):
    monkeypatch.setattr(plots, "latent_space", fail(ValueError("no room to draw")))
    with pytest.raises(SystemExit) as ended:
        again(metrics=("active_units",))
    assert ended.value.code == 3
    results = json.loads((again.folder / "results.json").read_text())
    assert set(results["metrics"]) == {"active_units", "active_units_share"}
    assert (again.folder / "saved_model" / "saved_model.pb").exists()
    assert "figures failed: no room to draw" in caplog.text


def test_an_interrupted_evaluation_is_one_line_and_the_export_is_there(again, monkeypatch, capsys):
    monkeypatch.setitem(groups._ANY, "drift", fail(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as ended:
        again(metrics=("active_units", "drift"))
    assert ended.value.code == main.STOPPED_EXIT_CODE == 130
    assert capsys.readouterr().out.splitlines()[-1].startswith("evaluation was interrupted;")
    assert (again.folder / "saved_model" / "saved_model.pb").exists()
    results = json.loads((again.folder / "results.json").read_text())
    assert results["partial"] is True and "active_units" in results["metrics"]
    monkeypatch.undo()
    results = again(metrics=("active_units", "drift"))
    assert "partial" not in results and "drift_test" in results["metrics"]


def test_unknown_metrics_are_refused_before_training(tmp_path):
    with pytest.raises(UserError, match="metrics=divergences: for digits, expected some of elbo"):
        run(tmp_path, dataset="digits", metrics=("elbo", "divergences"))
    assert not list((tmp_path / "checkpoints").iterdir())


def test_tensorboard_has_losses_rates_and_images(finished):
    tags = set(tensorboard_events.series(finished / "tensorboard"))
    assert {"all_players/loss", "encoder/loss", "decoder/loss", "prior/weights"} <= tags
    assert {"training/samples", "training/reconstructions", "train/examples_per_second"} <= tags
    assert {f"learning_rate/{player}" for player in ("encoder", "decoder", "prior")} <= tags
    names = {path.name for path in (finished / "tensorboard").iterdir()}
    assert {"projector_config.pbtxt", "latents.tsv", "labels.tsv", "sprites.png"} <= names


def test_the_export_of_a_run_loads(finished):
    model = tf.saved_model.load(str(finished / "saved_model"))
    assert model.signatures["encode"](x=tf.zeros((2, 8, 8, 1)))["mean"].shape == (2, 2)
    info = json.loads((finished / "saved_model" / "model_info.json").read_text())
    assert info["settings"]["dataset"] == "digits"


def test_flags_of_a_run_are_a_flag_file(finished):
    done = command(f"--flagfile={finished / 'flags.txt'}", "--epochs=0")
    assert_one_clear_line(done, "epochs=0")  # all else was accepted


def test_other_settings_in_the_same_folder_are_refused_and_nothing_is_lost(finished):
    before = (finished / "config.json").read_text()
    with pytest.raises(UserError, match=r"other settings: latent_dim=3 \(was 2\)"):
        run(finished, dataset="digits", widths=(3,), batch_size=64, latent_dim=3)
    assert (finished / "config.json").read_text() == before
    assert (finished / "saved_model" / "saved_model.pb").exists()


@pytest.mark.slow
def test_a_run_in_the_plane_is_measured(tmp_path):
    run(tmp_path, dataset="8gaussians", widths=(8,), batch_size=16)
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["step"], results["seed"]) == (6, 0)
    assert results["metrics"]["kl_nats"] > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": "standard_normal"},
        {"prior": "vamp", "vae_epochs": 3},
        {"prior_player": "encoder"},
        {"prior_player": "none", "nolearn": True},
    ],
    ids=lambda s: "-".join(map(str, s.values())),
)
def test_every_kind_of_prior_runs_end_to_end(settings, tmp_path):
    settings = dict(settings)
    if settings.pop("nolearn", False):
        settings["learn_weights"] = False
    run(tmp_path, dataset="8gaussians", widths=(8,), batch_size=16, evaluate=False, **settings)
    model = tf.saved_model.load(str(tmp_path / "saved_model"))
    weights = model.signatures["prior"]()["log_weights"]
    assert weights.shape == (1 if settings.get("prior") == "standard_normal" else 3,)
    assert (tmp_path / "figures" / "latent_space.png").stat().st_size > 1000


def test_overwrite_starts_afresh_and_keeps_what_is_not_the_runs(tmp_path):
    settings = {"dataset": "rings", "widths": (8,), "batch_size": 16}
    quiet = {"evaluate": False, "export": False}
    run(tmp_path, epochs=1, **settings | quiet)
    (tmp_path / "notes.txt").write_text("mine")
    run(tmp_path, epochs=1, seed=1, overwrite=True, **settings | quiet)
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert os.listdir(tmp_path / "checkpoints")


def test_the_epoch_that_was_trained_is_told_not_the_one_asked_for(tmp_path):
    settings = {"dataset": "8gaussians", "widths": (8,), "batch_size": 16, "evaluate": False}
    run(tmp_path, epochs=2, **settings)
    run(tmp_path, epochs=1, **settings)  # trains nothing, exports again
    info = json.loads((tmp_path / "saved_model" / "model_info.json").read_text())
    assert (info["epoch"], info["step"]) == (2, 4)
