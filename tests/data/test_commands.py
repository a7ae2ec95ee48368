"""The main command on data laid in a folder, of the real sizes, and on none at all."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from tests.data import samples

ROOT = pathlib.Path(__file__).parents[2]
# Evaluation and the batch-norm pass go over all images, which takes many minutes on a CPU.
SHORT = ("--epochs=1", "--steps_per_epoch=2", "--noevaluate", "--norefresh_batch_norm")
# A proxy that nobody runs: whatever the machine's network, nothing can be downloaded.
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")


def run_main(*flags):
    return subprocess.run(
        [sys.executable, "-m", "tf_sintrovae.main", *flags],
        cwd=ROOT,
        env={**os.environ, **NO_NETWORK},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "write", "size"),
    [
        ("fmnist", lambda folder: samples.write_idx(folder, 60_000, 10_000), "60,000"),
        ("cifar10", lambda folder: samples.write_cifar_binary(folder, 10_000), "50,000"),
        ("cifar10", lambda folder: samples.write_cifar_python(folder, 10_000), "50,000"),
    ],
    ids=["fmnist", "cifar10-binary", "cifar10-python"],
)
def test_files_of_the_real_sizes_run_from_end_to_end(tmp_path, config, write, size):
    write(tmp_path / "data")
    done = run_main(
        f"--flagfile=configs/{config}.flags",
        f"--data_dir={tmp_path / 'data'}",
        f"--workdir={tmp_path / 'run'}",
        *SHORT,
    )
    assert done.returncode == 0, done.stderr
    assert f"{size} examples" in done.stdout
    assert "original archives" in done.stderr
    assert (tmp_path / "run" / "saved_model" / "saved_model.pb").exists()
    assert (tmp_path / "run" / "figures" / "samples.png").exists()


def test_without_network_and_files_it_ends_within_20_seconds(tmp_path):
    start = time.monotonic()
    done = run_main(
        "--flagfile=configs/fmnist.flags",
        f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
    )
    assert time.monotonic() - start < 20
    assert done.returncode != 0 and "Traceback" not in done.stderr
    error = done.stderr.strip().splitlines()[-1]
    assert error.startswith("error: fashion_mnist cannot be downloaded")
    assert str(tmp_path / "fashion_mnist") in error
    assert all(file in error for file in samples.IDX_NAMES)
