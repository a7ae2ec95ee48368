"""Sweeps whose jobs are a few lines of Python instead of a training."""

import json
import pathlib
import subprocess
import sys

from tf_sintrovae.sweeps import outcome, resources, runner, sweep
from tf_sintrovae.sweeps.folder import Record, SweepFolder
from tf_sintrovae.sweeps.job import Job

ROOT = pathlib.Path(__file__).parents[2]

# Notes that it has begun, does what its folder's name asks for, and leaves results made of its seed.
PROGRAM = """
import json, os, pathlib, signal, sys, time, zlib
def stop(number, frame):
    print("saved")
    sys.exit(130)

signal.signal(signal.SIGTERM, stop)
workdir, seed, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
starts = workdir.parent.parent / "starts.txt"
with open(starts, "a") as file:
    file.write(workdir.name + "\\n")
time.sleep(seconds)
while "meet" in workdir.name and starts.read_text().count("meet") < 2:
    time.sleep(0.01)
if "stopped" in workdir.name:
    os.kill(os.getpid(), signal.SIGTERM)
if "bad" in workdir.name:
    print("error: it cannot work")
    sys.exit(2)
if "empty" in workdir.name:
    sys.exit(0)
score = zlib.crc32(workdir.name.encode()) % 1000 / 1000
threads = os.environ.get("OMP_NUM_THREADS", "all")
results = {"step": 10, "epoch": 2, "metrics": {"score": score, "seed_squared": seed**2},
           "versions": {"fake": "1.0 on " + threads}, "errors": {}}
(workdir / "results.json").write_text(json.dumps(results))
"""


def make_sweep(variants=("a", "b"), seeds=(0, 1, 2), **changes) -> sweep.Sweep:
    """A sweep over the digits' preset with a factor `variant`, and `score` to be small."""
    content = {
        "title": "a sweep",
        "preset": "digits",
        "grids": [{"variant": {name: {} for name in variants}}],
        "seeds": list(seeds),
        "metrics": {"score": "min", "seed_squared": None},
    }
    return sweep.parse("fake", content | changes)


def fake_command(seconds: float):
    """Makes a command of jobs that take so many seconds."""
    return lambda job, workdir: [
        *(sys.executable, "-S", "-c", PROGRAM),
        *(str(workdir), str(job.seed), str(seconds)),
    ]


def run_all(root: pathlib.Path, chosen: sweep.Sweep, seconds=0.0, num_jobs=1) -> SweepFolder:
    """Runs a sweep of fake jobs in this process, and writes its outcome."""
    folder = SweepFolder(root, chosen.checkpoint)
    root.mkdir(parents=True, exist_ok=True)
    slots = resources.environments(num_jobs, num_cores=4)
    runner.Runner(chosen.jobs, folder, slots, fake_command(seconds)).run()
    outcome.write_outcome(chosen, folder)
    return folder


def started_apart(root: pathlib.Path, seconds=0.0, num_jobs=1, **sweep_changes) -> subprocess.Popen:
    """`run_all` as a process of its own."""
    code = (
        "import pathlib, sys\nfrom tests.support import fake_jobs\n"
        "from tf_sintrovae import command\n"
        f"def main():\n    fake_jobs.run_all(pathlib.Path({str(root)!r}), "
        f"fake_jobs.make_sweep(**{sweep_changes!r}), {seconds!r}, {num_jobs!r})\n"
        "command.run(main, ['fake'])\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder: SweepFolder, job: Job, **results) -> None:
    """Leaves the results of a job as if it had run."""
    folder.run(job).mkdir(parents=True)
    (folder.run(job) / "results.json").write_text(json.dumps(results))
    folder.write_record(job, Record(job.arguments, 0, "done", 12.5, 1.0, 2))


def starts(root: pathlib.Path) -> list[str]:
    """Names of the jobs that were begun, in their order."""
    path = root / "starts.txt"
    return path.read_text().split() if path.exists() else []


def record(folder: SweepFolder, name: str) -> dict:
    """What is kept of a job."""
    return json.loads((folder.root / "runs" / name / "job.json").read_text())
