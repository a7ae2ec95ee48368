"""An exported run through JAX on the CPU: TensorFlow's numbers, resume, and the way back into the project.

Needs a Python with JAX (tests/support/jax_python.py).
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import training_step
from benchmarks.hlo import arrays, cost, prepare
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.kernel_cases import parse_size
from tests.support import runs
from tests.support.jax_python import require_jax_python, run_alone

# The demo's networks and losses. 2 steps an epoch, hand-over before step 4, introspection before 6, end at
# step 10.
FLAGS = [
    "--flagfile=configs/digits.flags",
    "--steps_per_epoch=2",
    "--epochs=5",
    "--vae_epochs=3",
    "--mixture_warmup_epochs=1",
    "--lr_milestones=7",
]
CHECK_STEPS = 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python():
    return require_jax_python()


@pytest.fixture(scope="module")
def exported(python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "digits"
    arguments = [f"--output={folder}", f"--check_steps={CHECK_STEPS}", f"--jax_python={python}"]
    command = [sys.executable, "-m", "benchmarks.hlo.export", *FLAGS, *arguments]
    subprocess.run(command, cwd=runs.ROOT, check=True)
    return folder


def train(python, exported, run, *arguments):
    done = run_alone(
        *(python, "benchmarks.hlo.run", ".", "train", f"--run={run}", *arguments), cwd=exported
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(python, exported, tmp_path_factory):
    """The folder of a training in one go."""
    run = tmp_path_factory.mktemp("trained")
    assert "the end of the run" in train(python, exported, run)
    return run


def test_the_first_steps_of_each_stage_are_tensorflows(python, exported):
    """From the state that TensorFlow began each at, all losses to 1e-5."""
    done = run_alone(
        *(python, "benchmarks.hlo.run", ".", "check", "--tolerance=1e-5"), cwd=exported
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for program in ("vae", "vae_handed_over", "introspective"):
        rows = [line for line in done.stdout.splitlines() if line.split()[:1] == [program]]
        assert len(rows) == CHECK_STEPS


def test_numbers_that_differ_are_told(python, exported, tmp_path):
    expected = arrays.read_arrays(exported / "expected.npz")
    subprocess.run(["cp", "-r", f"{exported}/.", str(tmp_path)], check=True)
    wrong = expected | {"0/loss": expected["0/loss"] * 1.001}
    arrays.write_arrays(tmp_path / "expected.npz", wrong)
    done = run_alone(
        *(python, "benchmarks.hlo.run", ".", "check", "--tolerance=1e-5"), cwd=tmp_path
    )
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stderr


def test_a_resumed_training_is_the_same_to_the_last_bit(python, exported, trained, tmp_path):
    """Stopped within an epoch, at the hand-over, within a stage and at the end of one."""
    for step in (3, 4, 5, 6):
        assert f"stopped at step {step}" in train(
            python, exported, tmp_path, f"--until_step={step}"
        )
    train(python, exported, tmp_path)
    expected, found = (arrays.read_arrays(run / "state.npz") for run in (trained, tmp_path))
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert (tmp_path / "history.jsonl").read_text() == (trained / "history.jsonl").read_text()


def test_rates_change_at_milestones(trained):
    state = arrays.read_arrays(trained / "state.npz")
    rates = [float(value) for name, value in state.items() if name.endswith("/learning_rate")]
    assert rates == pytest.approx([5e-5] * 3)


def test_the_weights_come_back_as_a_run_that_goes_on(exported, trained, tmp_path):
    workdir = tmp_path / "loaded"
    command = [sys.executable, "-m", "benchmarks.hlo.load", f"--export={exported}"]
    command += [f"--run={trained}", f"--workdir={workdir}", "--noevaluate"]
    subprocess.run(command, cwd=runs.ROOT, check=True)
    state = arrays.read_arrays(trained / "state.npz")
    assert int(state["run/000/step"]) == runs.final_step(workdir) == 10
    kernel = next(value for name, value in state.items() if name.endswith("kernel"))
    assert any(np.array_equal(kernel, value) for value in runs.final_state(workdir).values())
    model = tf.saved_model.load(str(workdir / "saved_model"))
    images = model.signatures["sample"](num_samples=tf.constant(3), seed=tf.constant([0, 1]))["x"]
    assert images.shape == (3, 8, 8, 1) and np.isfinite(images).all()
    assert json.loads((workdir / "saved_model" / "model_info.json").read_text())["step"] == 10
    more = runs.command(
        f"--flagfile={workdir}/flags.txt", "--epochs=6", "--noevaluate", "--noexport"
    )
    assert more.returncode == 0, more.stderr
    assert runs.final_step(workdir) == 12


def test_operations_are_as_counted(exported):
    """Layers and prior are nearly all that XLA counts, noise, batch norm and optimizers the rest."""
    programs = Bundle(exported).meta["programs"]
    counted = cost.step_cost("introspective", **cost.SETTINGS["digits"])
    total = counted.flops + counted.mixture_flops
    assert 0.95 < total / programs["introspective"]["flops"] < 1.05


def test_all_is_measured_by_one_command(python, exported, tmp_path, monkeypatch):
    """Kernels, steps, and a run: at sizes of no interest."""
    tiny = ((8, 8, 1), 4, 2, 3, (4, 4), training_step.SETTINGS["fmnist"][-1])
    prepare.prepare_kernels(tmp_path / "kernels", [parse_size("5x3x40")], "gpu", python)
    prepare.prepare_steps(tmp_path / "tiny", tiny, "gpu", python)
    subprocess.run(["cp", "-r", str(exported / "benchmarks"), str(tmp_path)], check=True)
    done = run_alone(python, "benchmarks.hlo.measure", ".", cwd=tmp_path)
    assert done.stdout.rstrip().endswith("all is measured"), done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    kernel, *plain = results["kernels/jax/5x3x40"]["rows"]
    assert [row["way"] for row in (kernel, *plain)] == ["kernel", "plain float32", "plain JAX"]
    assert kernel["error nats"] < 1e-4 and kernel["gradient error"] < 1e-4
    assert all(row["error nats"] < 1e-3 and row["gradient error"] < 1e-3 for row in plain)
    steps = {(row["stage"], row["way"]) for row in results["tiny/jax"]["rows"]}
    assert steps == {(s, w) for s in training_step.STAGES for w in ("project", "naive")}
    for name, result in results.items():
        assert all(row["median ms"] > 0 for row in result["rows"]), name
