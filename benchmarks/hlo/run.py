"""Checks, times and trains an export with JAX (and its flatbuffers) and NumPy alone.

    python -m benchmarks.hlo.run FOLDER check                  # the first steps against TensorFlow's numbers
    python -m benchmarks.hlo.run FOLDER time                   # milliseconds a step
    python -m benchmarks.hlo.run FOLDER train [--seconds=540]  # the same again goes on

`python -m benchmarks.hlo.export` writes FOLDER. Training keeps its state and its losses in FOLDER/run, from
where `python -m benchmarks.hlo.load` takes the weights back into the project.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

from benchmarks import harness
from benchmarks.hlo import check, device, timing, training
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.errors import ExportError
from benchmarks.hlo.folder import TrainingFolder
from benchmarks.hlo.runtime import Batches, Runtime


def main() -> None:
    """Does what the command line asks for.

    Raises:
        SystemExit: code 1 if the numbers do not agree, 2 if the export cannot be used.
    """
    options = _parser().parse_args()
    try:
        agrees = run(options)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    raise SystemExit(0 if agrees else 1)


def run(options: argparse.Namespace) -> bool:
    """Does what the options ask for; False if the numbers do not agree."""
    start = time.monotonic()
    bundle = Bundle(options.folder)
    device.keep_compiled(options.folder / "compiled")
    print(device.describe(), flush=True)
    runtime = Runtime(bundle)
    agrees = True
    if "check" in options.verbs:
        agrees = run_check(bundle, runtime, options.tolerance)
    if "time" in options.verbs:
        run_timing(bundle, runtime, options.calls, options.output)
    if "train" in options.verbs:
        end = None if options.seconds is None else start + options.seconds
        root = options.run or options.folder / "run"
        run_training(bundle, runtime, root, training.Clock(end), options)
    return agrees


def run_check(bundle: Bundle, runtime: Runtime, tolerance: float) -> bool:
    """Prints how far the first steps are from TensorFlow's; True if their losses agree."""
    rows = check.check(bundle, runtime, _batches(bundle))
    print(harness.table(rows))
    worst = np.max([row["losses"] for row in rows])  # NaN if there is one
    agrees = worst <= tolerance
    print(
        f"check {'passed' if agrees else 'FAILED'}: losses differ by {worst:.1e} at most",
        flush=True,
    )
    return agrees


def run_timing(bundle: Bundle, runtime: Runtime, calls: int, output: pathlib.Path | None) -> None:
    """Prints the times of steps, and writes them if asked to."""
    rows = timing.time_steps(bundle, runtime, _batches(bundle), calls)
    print(harness.table(rows), flush=True)
    if output is not None:
        harness.write_json(str(output), {"device": device.describe(), "rows": rows})


def run_training(
    bundle: Bundle,
    runtime: Runtime,
    root: pathlib.Path,
    clock: training.Clock,
    options: argparse.Namespace,
) -> None:
    """Trains from where it was left, printing the losses now and then."""
    run = training.Training(bundle, runtime, TrainingFolder(root, bundle.settings))
    first, start = run.step, time.monotonic()
    run.compile()
    begin = time.monotonic()

    def progress(step, means):
        nonlocal start
        now = time.monotonic()
        if now - start >= options.print_seconds or run.is_complete:
            start = now
            losses = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
            speed = 1e3 * (now - begin) / (step - first)
            print(f"step {step}, {speed:.2f} ms a step: {losses}", flush=True)

    run.run(clock, progress, options.save_seconds, options.until_step)
    what = "the end of the run" if run.is_complete else "the same command goes on"
    print(f"stopped at step {run.step}: {what}; state and losses in {root}/", flush=True)


def _batches(bundle: Bundle) -> Batches:
    settings = bundle.settings
    return Batches(bundle.examples(), settings["batch_size"], settings["seed"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="folder that the export wrote")
    parser.add_argument("verbs", nargs="+", choices=("check", "time", "train"))
    parser.add_argument(
        "--tolerance", type=float, default=1e-3, help="relative difference of losses that agree"
    )
    parser.add_argument("--calls", type=int, default=50, help="timed calls of each program")
    parser.add_argument("--output", type=pathlib.Path, help="write the times here, as JSON")
    parser.add_argument("--seconds", type=float, help="train until so long after the start")
    parser.add_argument("--until_step", type=int, help="train up to this step at most")
    parser.add_argument(
        "--run", type=pathlib.Path, help="folder of the training; FOLDER/run by default"
    )
    parser.add_argument("--save_seconds", type=float, default=60.0, help="least time between saves")
    parser.add_argument(
        "--print_seconds", type=float, default=10.0, help="least time between lines"
    )
    return parser


if __name__ == "__main__":
    main()
