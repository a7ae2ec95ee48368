"""The real Fashion-MNIST, where the system's package has installed it: content, training, memory."""

import hashlib
import json
import logging
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.data import samples
from tests.support.runs import ROOT, main_arguments
from tf_sintrovae.data import registry
from tf_sintrovae.data.formats import archives

SHARE = pathlib.Path("/usr/share")
FOLDER = SHARE / "datasets" / "fashion-mnist"

pytestmark = pytest.mark.skipif(
    not all((FOLDER / file).is_file() for file in samples.IDX_NAMES),
    reason=f"{FOLDER} has no data: apt-get install dataset-fashion-mnist",
)

# Runs a command and writes the greatest memory of its process, in MiB, as the last line.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The system's data are found, the user's are not; classifiers are kept in this test's folder."""
    monkeypatch.setenv("XDG_DATA_DIRS", str(SHARE))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(arguments) -> str:
    """Runs a command that must succeed; returns what it printed."""
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert f"in {FOLDER}" in done.stderr
    assert "from the published" not in done.stderr
    return done.stdout


# What gzip noted of the published files and Debian's leave out: their names and these times, in seconds.
COMPRESSED_AT = {"train": 1_504_176_606, "t10k": 1_504_176_627}


@pytest.mark.parametrize("file", samples.IDX_NAMES)
def test_the_packages_files_under_their_published_headers_are_the_published_files(file):
    """Debian's have the same compressed stream, so that SHA-256 itself confirms the content."""
    name = file.removesuffix(".gz").encode()
    header = struct.pack("<3sBIBB", b"\x1f\x8b\x08", 8, COMPRESSED_AT[file.split("-")[0]], 0, 3)
    stream = (FOLDER / file).read_bytes()[len(header) :]
    published = archives.ARCHIVES["fashion_mnist"][0].sha256[file]
    assert hashlib.sha256(header + name + b"\0" + stream).hexdigest() == published


def test_the_packages_files_are_read_without_a_warning(environment, caplog):
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    source = registry.load("fmnist")
    assert len(caplog.messages) == 1 and caplog.messages[0].endswith(f" in {FOLDER}")
    assert (source.num_train, source.shape) == (60_000, (28, 28, 1))
    for split, count in (("train", 6_000), ("test", 1_000)):
        y = source.examples(split).y
        np.testing.assert_array_equal(np.bincount(y), np.full(10, count))


# Real data, small networks and few draws.
SMALL = (
    *("--widths=8,16", "--latent_dim=8", "--num_mc_samples=2", "--batch_size=128"),
    *("--epochs=3", "--vae_epochs=2", "--mixture_warmup_epochs=1", "--steps_per_epoch=40"),
    *("--norefresh_batch_norm", "--noevaluate"),
)
# All that suit the data but the probes of the representation: SVMs on 60,000 latents take minutes each.
METRICS = (
    *("elbo", "iwae", "drift", "components", "component_shares", "active_units", "clustering"),
    *("class_coverage", "sample_quality", "reconstruction_quality"),
)
BOUNDED = (
    *("--num_images=2000", "--iwae_images=50", "--iwae_samples=100"),
    f"--metrics={','.join(METRICS)}",
)


@pytest.mark.slow
def test_the_real_files_train_and_are_measured(environment, tmp_path):
    workdir = tmp_path / "run"
    out = run(main_arguments("--preset=fmnist", *SMALL, f"--workdir={workdir}"))
    assert "60,000 examples of shape 28x28x1" in out
    history = [json.loads(line) for line in (workdir / "history.jsonl").read_text().splitlines()]
    assert history[-1]["rec"] < 0.7 * history[0]["rec"]
    evaluate = [sys.executable, "-m", "tf_sintrovae.evaluate", *BOUNDED]
    run([*evaluate, f"--saved_model={workdir / 'saved_model'}"])
    results = json.loads((workdir / "results.json").read_text())
    assert results["errors"] == {} and "partial" not in results
    metrics = results["metrics"]
    assert metrics["cluster_accuracy"] > 0.2  # chance is 0.1
    assert metrics["sample_classes_found"] >= 5
    assert metrics["mse_test"] < np.var(registry.load("fmnist").examples("test").x)
    assert {"elbo_test", "iwae_test", "drift_test"} <= set(metrics)
    assert {"fid/fashion_mnist-classifier", "active_units"} <= set(metrics)


@pytest.mark.slow
def test_the_papers_settings_run_20_steps_of_each_stage_within_memory(environment, tmp_path):
    """All three stages at the full size: VampPrior, free mixture, encoder against decoder and prior."""
    cut = ("--steps_per_epoch=20", "--epochs=3", "--vae_epochs=2", "--mixture_warmup_epochs=1")
    flags = ("--preset=fmnist", *cut, "--norefresh_batch_norm", "--noevaluate", "--noexport")
    command = main_arguments(*flags, f"--workdir={tmp_path / 'run'}")
    out = run([sys.executable, "-c", MEASURE, *command])
    assert "trained to step 60 " in out
    state = tf.train.load_checkpoint(str(tmp_path / "run" / "checkpoints"))
    assert state.get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE") == 60
    peak = int(out.splitlines()[-1])
    print(f"peak memory {peak} MiB")
    assert peak < 6 * 1024  # measured: 4,720 on 2 cores; a machine with 8 GiB bears it
