"""The command itself, and sweeps of real trainings."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_jobs import ROOT, make_sweep, run_all
from tf_sintrovae import reproduce
from tf_sintrovae.errors import UserError

# A few steps of a tiny network in the plane; the metric takes a moment.
TINY = {
    "title": "tiny",
    "preset": "8gaussians",
    "settings": {
        **{"widths": [8], "batch_size": 16, "num_components": 4, "num_mc_samples": 2},
        **{"epochs": 4, "vae_epochs": 2, "steps_per_epoch": 3, "lr_milestones": []},
        **{"metrics": ["divergences"], "checkpoint_seconds": 0, "refresh_batch_norm": False},
    },
    "grids": [{"variant": {"vae": {"vae_epochs": 4}, "introspective": {}}}],
    "seeds": [0],
    "metrics": {"kl_nats": "min"},
}


def arguments(*given: str) -> list[str]:
    return [sys.executable, "-m", "tf_sintrovae.reproduce", *given]


def reproduced(*given: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        arguments(*given),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | environment,
    )


@pytest.fixture
def without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('TensorFlow was imported')")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ([], ["TABLE", "digits_small", "is missing"]),
        (["nothing"], ["table 'nothing' is unknown", "2d_small"]),
        (["2d_small", "more"], ["stray arguments: more"]),
        (["2d_small", "--shard=3/2"], ["shard=3/2", "expected i/n"]),
        (["2d_small", "--jobs=0"], ["jobs"]),
        (["2d_small", "--folder=/dev/null"], ["/dev/null/2d_small cannot be made"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_named_at_once(given, parts, without_tensorflow):
    done = reproduced(*given, **without_tensorflow)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def test_a_list_has_every_run_and_makes_nothing(tmp_path, without_tensorflow):
    done = reproduced("mnist", "--list", f"--folder={tmp_path / 'new'}", **without_tensorflow)
    lines = done.stdout.splitlines()
    assert len(lines) == 99 and all(line.startswith("open ") for line in lines)
    assert "n_0_i-seed0  --preset=mnist --best_metric=fid" in lines[0]
    assert not (tmp_path / "new").exists()


def test_tables_are_made_without_running(tmp_path, without_tensorflow):
    done = reproduced("2d_small", "--tables_only", f"--folder={tmp_path}", **without_tensorflow)
    assert done.returncode == 0, done.stderr
    assert (
        "| `kl_authors` ↓ | missing | missing |" in (tmp_path / "2d_small" / "table.md").read_text()
    )
    assert not (tmp_path / "2d_small" / "runs").exists()


@given(count=st.integers(0, 40), parts=st.integers(1, 12))
def test_shards_are_a_partition(count, parts):
    jobs = list(range(count))
    shards = [reproduce.take_shard(jobs, f"{i}/{parts}") for i in range(1, parts + 1)]
    assert sorted(job for shard in shards for job in shard) == jobs
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("shard", ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_shard_is_named(shard):
    with pytest.raises(UserError, match="expected i/n"):
        reproduce.take_shard([], shard)


def test_a_list_tells_what_is_finished_and_what_has_failed(tmp_path):
    sweep = make_sweep(("a", "bad"), [0])
    folder = run_all(tmp_path, sweep)
    lines = [reproduce._listed(job, folder).split() for job in sweep.jobs]
    assert [line[:2] for line in lines] == [["finished", "a-seed0"], ["failed", "bad-seed0"]]


def tiny(folder: pathlib.Path, **changes) -> list[str]:
    """The command of a tiny sweep; its file is written."""
    path = folder / "tiny.json"
    path.write_text(json.dumps(TINY | changes))
    return [str(path), f"--folder={folder}"]


def table(folder: pathlib.Path) -> str:
    return (folder / "tiny" / "table.md").read_text()


def test_a_failing_run_is_told_and_the_real_one_is_tabulated(tmp_path):
    """One run trains and is measured; the other's data are not there."""
    variants = {"good": {"vae_epochs": 4}, "bad": {"dataset": "files"}}
    done = reproduced(*tiny(tmp_path, grids=[{"variant": variants}]))
    assert done.returncode == 3, done.stderr
    assert "bad-seed0: FAILED: exit code 2: error: " in done.stdout
    assert done.stderr.startswith("error: failed: bad-seed0 (")
    assert "| bad | missing |" in table(tmp_path)
    assert re.search(r"\| good \| \d\S* \(n=1\) \|", table(tmp_path))
    assert (tmp_path / "tiny" / "figures" / "samples.png").exists()
    assert "trained to step 12" in (tmp_path / "tiny/runs/good-seed0/log.txt").read_text()


@pytest.mark.slow
def test_a_sweep_killed_in_training_and_resumed_gives_the_same_table(tmp_path):
    """Kill -9 takes the command and its run, while the second run is in the introspective stage."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert reproduced(*tiny(whole)).returncode == 0
    process = subprocess.Popen(
        arguments(*tiny(killed)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    history = killed / "tiny" / "runs" / "introspective-seed0" / "history.jsonl"
    deadline = time.monotonic() + 300
    while not (history.exists() and history.read_text().count("\n") >= 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    process.wait()
    done = reproduced(*tiny(killed))
    assert done.returncode == 0, done.stderr
    assert "introspective-seed0: begun" in done.stdout
    assert "vae-seed0: begun" not in done.stdout  # it was finished
    assert table(killed) == table(whole)
