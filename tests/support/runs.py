"""A tiny run of the digits, in this process or as a command, and what it leaves behind."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_sintrovae import main
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.training import loop, progress, workdir

ROOT = pathlib.Path(__file__).parents[2]

# 3 steps an epoch; hand-over before step 6, introspection before step 9, end at 18.
TINY = Config(
    dataset="digits",
    batch_size=128,
    steps_per_epoch=3,
    epochs=6,
    vae_epochs=3,
    mixture_warmup_epochs=1,
    widths=(3,),
    latent_dim=2,
    num_components=4,
    num_mc_samples=2,
    beta_neg=1.0,
    checkpoint_seconds=0.0,
    refresh_batch_norm=False,
    evaluate=False,
    export=False,
)

# The same in the plane, for networks that compile in a third of the time.
PLANE = {"dataset": "8gaussians", "widths": (8,), "batch_size": 16}

# A run of any data set in few steps, for what `main` does around the training.
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


def run(folder, **settings):
    """Runs main's work in this process, shortened by `QUICK`."""
    config = Config(workdir=str(folder), **(QUICK | settings))
    with workdir.open_workdir(config) as opened:
        main.run(config, opened)


def trained(folder, measure=None, reporter=None, **changes):
    """Runs the tiny experiment in `folder`, `measure` as its best metric; returns the model."""
    config = dataclasses.replace(TINY, workdir=str(folder), **changes)
    with workdir.open_workdir(config) as opened:
        source = registry.load(config.dataset)
        return loop.train(config, source, opened, measure, reporter=reporter)


def final_state(folder) -> dict[str, np.ndarray]:
    """Every tensor of the newest checkpoint: weights, optimizer slots, step."""
    reader = tf.train.load_checkpoint(str(pathlib.Path(folder) / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    return {n: reader.get_tensor(n) for n in names if "save_counter" not in n and "OBJECT" not in n}


def final_step(folder) -> int:
    """The step of the newest checkpoint."""
    return int(final_state(folder)["step/.ATTRIBUTES/VARIABLE_VALUE"])


def assert_same_state(folder, reference):
    """The newest checkpoint of `folder` holds `reference`, to the last bit."""
    state = final_state(folder)
    assert set(state) == set(reference)
    for name, value in reference.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


def signal_at(step: int, number: int, monkeypatch) -> None:
    """Has this process send itself a signal when training has done `step`."""
    original = progress.Progress.on_train_batch_end

    def send(self, batch, logs=None):
        original(self, batch, logs)
        if self._step == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(progress.Progress, "on_train_batch_end", send)


class Finished(NamedTuple):
    """What a command that has ended leaves: exit code, output, processor seconds."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float


def command(*arguments: str, **environment: str) -> Finished:
    """Runs `python -m tf_sintrovae.main`; the seconds are its own, whatever else the machine does."""
    before = os.times()
    done = subprocess.run(
        main_arguments(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
    )
    after = os.times()
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    return Finished(done.returncode, done.stdout, done.stderr, seconds)


def main_arguments(*arguments: str) -> list[str]:
    """The command line of `tf_sintrovae.main` with `arguments`."""
    return [sys.executable, "-m", "tf_sintrovae.main", *arguments]


def assert_one_clear_line(done: Finished, *parts: str) -> None:
    """The command failed and wrote one line, the error, which names `parts`."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def wait_for(path: pathlib.Path, process: subprocess.Popen, seconds: float = 300.0) -> None:
    """Returns when the file is there, and fails when the process ends before."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.005)


def trained_apart(folder, **changes) -> str:
    """`trained` in a process of its own, as users train; returns what it wrote to stderr."""
    program = f"from tests.support.runs import trained; trained({str(folder)!r}, **{changes!r})"
    done = _python(program)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _kill_oneself_at(step: int, folder: str, changes: dict) -> None:
    import pytest

    signal_at(step, signal.SIGKILL, pytest.MonkeyPatch())
    trained(folder, **changes)


def killed_at(step: int, folder, **changes) -> None:
    """A process of its own that trains in `folder` and dies by SIGKILL when it has done `step`."""
    code = f"from tests.support import runs; runs._kill_oneself_at({step}, {str(folder)!r}, {changes!r})"
    done = _python(code)
    assert done.returncode == -signal.SIGKILL, done.stderr


def _python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
