"""The command: a dry run end to end, and one clear line for every kind of wrong input."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from tf_sintrovae import main, workdir
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent
QUICK = {
    "steps_per_epoch": 2,
    "epochs": 3,
    "vae_epochs": 2,
    "mixture_warmup_epochs": 1,
    "num_mc_samples": 2,
    "num_components": 3,
    "latent_dim": 2,
    "beta_neg": 1.0,
}


def command(*arguments):
    """Runs main; returns the finished process and its seconds."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tf_sintrovae.main", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done, time.monotonic() - start


def run(folder, **settings):
    """Runs main's work in this process."""
    config = Config(workdir=str(folder), **(QUICK | settings))
    with workdir.opened(config) as opened:
        main.run(config, opened)


def assert_one_clear_line(done, *parts):
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert all(part in errors[0] for part in parts), errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("--prior=flow", ("prior", "standard_normal")),
        ("--epochs=many", ("epochs", "many")),
        ("--epochs=0", ("epochs=0", "at least 1")),
        ("--latent_dim=-2", ("latent_dim=-2",)),
        ("--widths=8,x", ("widths=8,x", "whole numbers")),
        ("--no_such_flag=1", ("no_such_flag",)),
        ("--flagfile=nowhere.flags", ("nowhere.flags",)),
        ("--preset=nothing", ("nothing", "fmnist")),
        ("stray", ("stray",)),
    ],
)
def test_bad_flags_are_named_before_tensorflow_is_imported(argument, parts):
    done, seconds = command(argument)
    assert_one_clear_line(done, *parts)
    assert seconds < 20
    assert "TensorFlow" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--dataset=digits", "--num_components=1438"], ("num_components=1438", "1437")),
        (["--dataset=digits", "--batch_size=2000"], ("batch_size=2000",)),
        (["--dataset=fashion_mnist"], ("fashion_mnist",)),
        (["--dataset=digits", "--widths=4,4,4,4"], ("digits", "image_size")),
    ],
)
def test_data_that_cannot_be_had_are_named(arguments, parts, tmp_path):
    done, _ = command(*arguments, f"--workdir={tmp_path / 'run'}")
    assert_one_clear_line(done, *parts)


def test_a_workdir_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done, seconds = command(f"--workdir={tmp_path / 'file' / 'run'}")
    assert_one_clear_line(done, str(tmp_path / "file" / "run"), "--workdir")
    assert seconds < 20


def test_help_is_quick_and_lists_every_setting():
    done, seconds = command("--help")
    assert seconds < 5
    for field in dataclasses.fields(Config):
        assert f"--{field.name}:" in done.stdout or f"--[no]{field.name}:" in done.stdout


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
    }
    results = json.loads((finished / "results.json").read_text())
    assert results["step"] == 6
    assert results["epoch"] == 3
    assert "knn5_accuracy_sampled" in results["metrics"]
    assert all(isinstance(value, (int, float)) for value in results["metrics"].values())


def test_tensorboard_has_losses_rates_and_pictures(finished):
    tags = set()
    for path in (finished / "tensorboard").rglob("events.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"epoch_loss", "epoch_encoder_loss", "samples", "reconstructions"} <= tags
    assert {f"learning_rate/{player}" for player in ("encoder", "decoder", "prior")} <= tags


def test_the_export_of_a_run_loads(finished):
    model = tf.saved_model.load(str(finished / "saved_model"))
    assert model.signatures["encode"](x=tf.zeros((2, 8, 8, 1)))["mean"].shape == (2, 2)
    info = json.loads((finished / "saved_model" / "model_info.json").read_text())
    assert info["settings"]["dataset"] == "digits"


def test_flags_of_a_run_are_a_flag_file(finished):
    done, _ = command(f"--flagfile={finished / 'flags.txt'}", "--epochs=0")
    assert_one_clear_line(done, "epochs=0")  # all else was accepted


def test_other_settings_in_the_same_folder_are_refused_and_nothing_is_lost(finished):
    before = (finished / "config.json").read_text()
    with pytest.raises(UserError, match=r"other settings: latent_dim=3 \(was 2\)"):
        run(finished, dataset="digits", widths=(3,), batch_size=64, latent_dim=3)
    assert (finished / "config.json").read_text() == before
    assert (finished / "saved_model" / "saved_model.pb").exists()


def test_two_processes_cannot_share_a_folder(finished):
    config = Config.from_json((finished / "config.json").read_text())
    with workdir.opened(config):
        done, seconds = command(f"--flagfile={finished / 'flags.txt'}")
    assert_one_clear_line(done, "in use by another process")
    assert seconds < 20


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
