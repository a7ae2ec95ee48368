"""Two workers of one run as processes of this machine."""

import sys

import pytest

from tests.support.cases import CASES, Case
from tests.support.gradients import assert_same_gradients, read
from tests.support.runs import final_step
from tests.support.workers import run_workers, train_on_workers

# In the plane: hand-over before step 2, introspection before step 4, end at 6.
PLANE = (
    *("--dataset=8gaussians", "--widths=8,8", "--batch_size=16", "--latent_dim=2", "--seed=3"),
    *("--steps_per_epoch=2", "--epochs=3", "--vae_epochs=2", "--mixture_warmup_epochs=1"),
    *("--num_components=4", "--num_mc_samples=2", "--beta_neg=1", "--checkpoint_seconds=0"),
)


def gradients_of_two(folder, names):
    """What each of two workers finds, by `NETWORKS-PRIOR:STAGE`."""
    program = (sys.executable, "-m", "tests.support.gradients")
    files = [folder / f"worker{index}.npz" for index in range(2)]
    for ended in run_workers([(*program, str(file), *names) for file in files], 580.0):
        assert ended.returncode == 0, ended.stderr
    return [read(file) for file in files]


def assert_gradients_of_one_process(folder, names):
    first, second = gradients_of_two(folder, names)
    for name in names:
        for a, b in zip(first[name][0], second[name][0], strict=True):
            assert (a == b).all()
        case, stage = name.split(":")
        worst = assert_same_gradients(Case(*case.split("-", 1)), stage, first[name])
        print(f"\n{name}: {worst:.1e}")


def test_two_workers_give_the_gradients_of_one_process(tmp_path):
    """In the stage with all players, on the same global batch and noise, regulariser on."""
    assert_gradients_of_one_process(tmp_path, ["points-mixture:introspective"])


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["vae", "introspective"])
def test_they_do_for_every_prior_and_for_images(stage, tmp_path):
    """Images with synchronised batch norm."""
    assert_gradients_of_one_process(tmp_path, [f"{case}:{stage}" for case in CASES])


def test_two_workers_train_and_the_chief_writes(tmp_path):
    chief, other = train_on_workers(
        2, *PLANE, f"--workdir={tmp_path / 'run'}", "--noevaluate", "--noexport"
    )
    assert chief.returncode == other.returncode == 0, (chief, other)
    assert not chief.stderr and not other.stderr, (chief.stderr, other.stderr)
    assert "strategy multi_worker: 2 workers, 1 CPU each" in chief.stdout
    assert final_step(tmp_path / "run") == 6
