"""Two workers of one run as processes of this machine: they train as one, and end together.

Those that only say something in one line are in `test_workers_commands.py`.
"""

import dataclasses
import json
import signal
import sys
import time

import numpy as np
import pytest

from tests.support.cases import CASES, Case
from tests.support.gradients import assert_same_gradients, read
from tests.support.runs import (
    PLANE,
    TINY,
    assert_same_state,
    final_state,
    final_step,
    main_arguments,
    trained,
    wait_for,
)
from tests.support.workers import (
    end_worker,
    free_ports,
    run_workers,
    start_worker,
    train_on_workers,
)
from tf_sintrovae.setting_fields import flag
from tf_sintrovae.training import history

# The tiny run in the plane, as its flags: hand-over before step 6, introspection before step 9, end at 18.
CONFIG = dataclasses.replace(TINY, **PLANE)
FLAGS = [
    flag(field.name, getattr(CONFIG, field.name))
    for field in dataclasses.fields(CONFIG)
    if getattr(CONFIG, field.name) is not None and field.name != "workdir"
]
# Longest time from the loss of a worker to the end of the others, on a busy machine too.
LOSS_SECONDS = 60.0


def gradients_of_two(folder, names):
    """What each of two workers finds, by `NETWORKS-PRIOR:STAGE:DTYPE`."""
    program = (sys.executable, "-m", "tests.support.gradients")
    files = [folder / f"worker{index}.npz" for index in range(2)]
    for ended in run_workers([(*program, str(file), *names) for file in files], 580.0):
        assert ended.returncode == 0, ended.stderr
    return [read(file) for file in files]


def assert_gradients_of_one_process(folder, names):
    first, second = gradients_of_two(folder, names)
    for name in names:
        for a, b in zip(first[name][0], second[name][0], strict=True):
            np.testing.assert_array_equal(a, b)
        case, stage, dtype = name.split(":")
        worst = assert_same_gradients(Case(*case.split("-", 1)), stage, first[name], dtype)
        print(f"\n{name}: {worst:.1e}")


def test_two_workers_give_the_gradients_of_one_process(tmp_path):
    """In the stage with all players, on the same global batch and noise, regulariser on."""
    assert_gradients_of_one_process(tmp_path, ["points-mixture:introspective:float64"])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stage", ["vae", "introspective"])
def test_they_do_for_every_prior_and_for_images(stage, dtype, tmp_path):
    """Images with synchronised batch norm."""
    assert_gradients_of_one_process(tmp_path, [f"{case}:{stage}:{dtype}" for case in CASES])


def start_two(folder, *more):
    """Two workers of the tiny run; `more` are further flags."""
    ports = free_ports(2)
    arguments = main_arguments(*FLAGS, f"--workdir={folder}", *more)
    return [start_worker(arguments, ports, index) for index in range(2)]


def finish(folder, *more):
    """Runs both to the end."""
    ended = train_on_workers(2, *FLAGS, f"--workdir={folder}", *more, seconds=580.0)
    for each in ended:
        assert each.returncode == 0, each
    return ended


def assert_lost(ended):
    """A worker said in one line that another one was lost."""
    assert ended.returncode == 2, ended
    assert ended.stderr.startswith("error: worker "), ended.stderr
    assert "has lost another one" in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


@pytest.mark.slow
def test_a_worker_is_killed_and_the_other_ends_with_one_line(tmp_path):
    """In the first stage; the checkpoint of before is kept."""
    workers = start_two(tmp_path / "run", "--epochs=2000", "--vae_epochs=2000")
    try:
        wait_for(tmp_path / "run/checkpoints/ckpt-3.index", workers[0])
        workers[1].kill()
        start = time.monotonic()
        assert_lost(end_worker(workers[0], LOSS_SECONDS))
        print(f"\nended after {time.monotonic() - start:.1f} s")
    finally:
        for worker in workers:
            worker.kill()
    assert final_step(tmp_path / "run") % 3 == 0


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a run of two workers that was never disturbed."""
    folder = tmp_path_factory.mktemp("workers") / "straight"
    chief, other = finish(folder)
    assert not chief.stderr and not other.stderr, (chief.stderr, other.stderr)
    assert "strategy multi_worker: 2 workers, 1 CPU each" in chief.stdout
    assert "this worker's part is done" in other.stdout
    assert "examples/s" in chief.stdout and "examples/s" not in other.stdout
    return folder


@pytest.mark.slow
def test_the_result_is_that_of_one_process_but_for_rounding(straight, tmp_path):
    trained(tmp_path / "one", **PLANE)
    lines = [history.read_history(path / "history.jsonl") for path in (straight, tmp_path / "one")]
    assert len(lines[0]) == len(lines[1]) == 6
    for two, one in zip(*lines, strict=True):
        assert two["stage"] == one["stage"]
        for name in set(one) - {"epoch", "step", "stage"}:
            assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_signal_to_one_worker_stops_both_at_the_same_step(index, straight, tmp_path):
    folder = tmp_path / "run"
    workers = start_two(folder)
    wait_for(folder / "checkpoints/ckpt-3.index", workers[0])
    workers[index].send_signal(signal.SIGTERM)
    ended = [end_worker(worker, 300.0) for worker in workers]
    steps = set()
    for each in ended:
        assert each.returncode == 130, each
        steps.add(each.stdout.partition("stopped at step ")[2].partition(";")[0])
    assert steps == {str(final_step(folder))}
    finish(folder)
    assert_same_state(folder, final_state(straight))


@pytest.mark.slow
def test_a_run_goes_on_under_any_strategy(tmp_path, caplog):
    """One device, two replicas in this process, two workers, and one device again."""
    folder = tmp_path / "run"
    trained(folder, **PLANE, epochs=4)
    trained(folder, **PLANE, epochs=5, strategy="mirrored")
    chief, _ = finish(folder, "--epochs=6")
    assert final_step(folder) == 18
    assert "bit-identical" not in chief.stderr  # two replicas as before
    caplog.clear()
    trained(folder, **PLANE, epochs=7, strategy="single")
    assert final_step(folder) == 21
    assert "over 2 replicas up to step 18, over 1 from now on" in caplog.text
    events = history.read_events(folder / "history.jsonl")
    assert [(event["step"], event["count"]) for event in events] == [(12, 2), (18, 1)]


@pytest.mark.slow
def test_the_chief_exports_and_measures_after_the_others_have_ended(tmp_path):
    more = ("--evaluate", "--export", "--validation", "--best_metric=jsd_nats", "--eval_epochs=2")
    finish(tmp_path / "run", *more, "--early_stop_epochs=100", "--eval_images=100")
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert np.isfinite(results["metrics"]["jsd_nats"])
    assert (tmp_path / "run/saved_model_best/saved_model.pb").exists()


@pytest.mark.slow
def test_a_divergence_is_told_by_both(tmp_path):
    """A rate that throws the weights off before there is a checkpoint to go back to."""
    more = (f"--workdir={tmp_path / 'run'}", "--learning_rate=1e30")
    for each in train_on_workers(2, *FLAGS, *more):
        assert each.returncode == 2, each
        assert "training diverged at step" in each.stderr
        assert "Traceback" not in each.stderr


@pytest.mark.slow
def test_both_go_back_to_the_same_checkpoint(tmp_path):
    """Weights by which the decoder's loss, and none before, is beyond float32, however low the rates."""
    folder = tmp_path / "run"
    more = ("--beta_rec=1e10", "--gamma_r=1e30", "--on_nonfinite=rollback", "--max_rollbacks=2")
    for each in train_on_workers(2, *FLAGS, f"--workdir={folder}", *more):
        assert each.returncode == 2, each
        assert "diverged at step 10: decoder_loss not finite; 2 rollbacks did not" in each.stderr
        assert "Traceback" not in each.stderr
    rollbacks = [
        event
        for event in history.read_events(folder / "history.jsonl")
        if event["event"] == "rollback"
    ]
    assert [(event["step"], event["to"]) for event in rollbacks] == [(10, 9)] * 2
    assert [event["rate_factor"] for event in rollbacks] == [0.5, 0.25]
