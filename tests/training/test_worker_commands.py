"""Workers that cannot train together say why in one line each, and none hangs."""

import json

import numpy as np
import pytest

from tests.support.runs import assert_one_clear_line, command, main_arguments
from tests.support.workers import free_ports, run_workers

RUN = (
    *("--dataset=8gaussians", "--widths=8,8", "--batch_size=16", "--num_mc_samples=2"),
    *("--epochs=1", "--vae_epochs=1", "--mixture_warmup_epochs=0", "--steps_per_epoch=2"),
)


def test_a_wrong_tf_config_is_answered_before_tensorflow_is_imported(tmp_path):
    for value, part in (("{", "not JSON"), ('{"cluster": {"ps": ["a:1"]}}', "the job 'ps'")):
        done = command(*RUN, f"--workdir={tmp_path / 'run'}", TF_CONFIG=value)
        assert_one_clear_line(done, "TF_CONFIG", part)
        assert done.seconds < 3
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_who_is_missing_is_named_in_time(tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    value = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 1}}
    flags = (*RUN, f"--workdir={tmp_path / 'run'}", "--join_seconds=2")
    done = command(*flags, TF_CONFIG=json.dumps(value))
    assert_one_clear_line(done, "worker 1 of 2", "waited 2 s for", addresses[0], "--join_seconds")


def run_two(tmp_path, first=(), second=()):
    """Two workers with further flags of their own."""
    common = main_arguments(*RUN, f"--workdir={tmp_path / 'run'}")
    return run_workers([[*common, *first], [*common, *second]])


@pytest.mark.slow
def test_other_settings_are_named_on_each_worker(tmp_path):
    for done in run_two(tmp_path, second=["--seed=5", "--batch_size=32"]):
        assert_one_clear_line(done, "settings differ", "seed=0 on worker 0 but seed=5 on worker 1")
        assert "batch_size=16 on worker 0 but batch_size=32 on worker 1" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_other_data_are_named_on_each_worker(tmp_path):
    flags = []
    for index in range(2):
        path = tmp_path / f"points{index}.npy"
        np.save(path, np.random.default_rng(index).normal(size=(100, 2)).astype(np.float32))
        flags.append(["--dataset=files", f"--data_dir={path}"])
    for done in run_two(tmp_path, *flags):
        assert done.returncode == 2
        assert "training data differ: content=" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_fails_on_one_worker_is_told_on_the_other(tmp_path):
    """The chief's folder is a file; the other's data are missing."""
    (tmp_path / "run").touch()
    chief, other = run_two(tmp_path)
    assert_one_clear_line(chief, "workdir")
    assert_one_clear_line(other, "worker 0 failed: workdir")
    (tmp_path / "run").unlink()
    np.save(tmp_path / "points.npy", np.zeros((100, 2), np.float32))
    data = ["--dataset=files"], [f"--data_dir={tmp_path / 'points.npy'}"], ["--data_dir=missing"]
    chief, other = run_two(tmp_path, data[0] + data[1], data[0] + data[2])
    assert_one_clear_line(other, "data_dir=missing does not exist")
    assert "worker 1 failed: data_dir=missing does not exist" in chief.stderr


@pytest.mark.slow
def test_settings_that_replicas_cannot_have_are_one_line_each(tmp_path):
    for flag, part in (
        ("--batch_size=15", "batch_size=15 cannot be shared by 2 replicas"),
        ("--clip_norm=1", "clip_norm=1.0 does not work over 2 replicas"),
        ("--steps_per_execution=2", "steps_per_execution=2 does not work over 2 workers"),
        ("--jit_compile=true", "jit_compile=true does not work over 2 replicas"),
    ):
        for done in run_two(tmp_path, [flag], [flag]):
            assert done.returncode == 2
            assert part in done.stderr
            assert "Traceback" not in done.stderr
