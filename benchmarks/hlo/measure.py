"""Measures on a GPU what `benchmarks.hlo.prepare` has prepared, as far as the time goes.

    python -m benchmarks.hlo.measure FOLDER [--seconds=540] [--only=kernels]

Kernels beside plain JAX and PyTorch, training steps beside the naive step and PyTorch's, and the first steps
of exported runs against TensorFlow's numbers. Each part has a process of its own; what is done is kept in
FOLDER/results.json, and the same command goes on with the rest. Needs JAX and NumPy; PyTorch's parts are left
out where it is not there.
"""

import argparse
import importlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks import harness
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.kernel_cases import parse_size

RESULTS = "results.json"


class Part(NamedTuple):
    """A part of the measurements, which a process of its own makes.

    Attributes:
        folder: name of a folder of FOLDER.
        library: 'jax' or 'torch'.
        size: name of a kernel's size; empty for others.
    """

    folder: str
    library: str
    size: str = ""

    @property
    def name(self) -> str:
        """Its name among the results."""
        return "/".join(filter(None, self))


def main() -> None:
    """Measures parts until all are done or the time is over."""
    options = _parser().parse_args()
    if options.part:
        part = Part(*options.part.split("/"))
        harness.write_json(options.child, measure_part(options.folder, part))
        return
    end = time.monotonic() + options.seconds
    results = read_results(options.folder)
    for part in parts(options.folder, options.only):
        if part.name in results or time.monotonic() >= end:
            continue
        print(f"measuring {part.name}", flush=True)
        results[part.name] = run_part(options.folder, part, end - time.monotonic())
        harness.write_json(str(options.folder / RESULTS), results)
    print_tables(results)
    done = {name for name, result in results.items() if "failed" not in result}
    left = [part.name for part in parts(options.folder, options.only) if part.name not in done]
    print(f"to be measured, by the same command: {', '.join(left)}" if left else "all is measured")


def parts(root: pathlib.Path, only: str | None = None) -> list[Part]:
    """All parts that a folder has, of the folder `only` if it is given, and this machine can measure."""
    found = [part for path in sorted(root.glob("*/meta.json")) for part in _parts_of(path.parent)]
    has_torch = importlib.util.find_spec("torch") is not None
    return [p for p in found if only in (None, p.folder) and (p.library == "jax" or has_torch)]


def _parts_of(folder: pathlib.Path) -> Iterator[Part]:
    meta = Bundle(folder).meta
    if meta["kind"] == "kernels":
        for size in meta["programs"]:
            yield from (Part(folder.name, library, size) for library in ("jax", "torch"))
    else:
        libraries = ("jax", "torch") if meta["kind"] == "steps" else ("jax",)
        yield from (Part(folder.name, library) for library in libraries)


def run_part(root: pathlib.Path, part: Part, seconds: float) -> dict[str, Any]:
    """Measures a part in a process of its own: its rows, or the last line of what it failed with."""
    output = root / "part.json"
    command = [sys.executable, "-m", "benchmarks.hlo.measure", str(root)]
    command += [f"--part={part.name}", f"--child={output}"]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"failed": f"did not end within {seconds:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"failed": lines[-1]}
    result = json.loads(output.read_text(encoding="utf-8"))
    output.unlink()
    return result


def measure_part(root: pathlib.Path, part: Part) -> dict[str, Any]:
    """Measures a part in this process."""
    bundle = Bundle(root / part.folder)
    kind = bundle.meta["kind"]
    if kind == "run":
        return _measure_run(bundle)
    module = importlib.import_module(f"benchmarks.hlo.{kind}_{part.library}")
    arguments = [parse_size(part.size)] if part.size else []
    return {"device": _device(part.library), "rows": module.measure(bundle, *arguments)}


def _measure_run(bundle: Bundle) -> dict[str, Any]:
    from benchmarks.hlo import check, device, timing
    from benchmarks.hlo.runtime import Batches, Runtime

    settings, runtime = bundle.settings, Runtime(bundle)
    batches = Batches(bundle.examples(), settings["batch_size"], settings["seed"])
    return {
        "device": device.describe(),
        "check": check.check(bundle, runtime, batches),
        "rows": timing.time_steps(bundle, runtime, batches, calls=50),
    }


def _device(library: str) -> str:
    if library == "torch":
        import torch

        from benchmarks.hlo import torch_device

        return f"PyTorch {torch.__version__} on {torch_device.name()}"
    from benchmarks.hlo import device

    return device.describe()


def read_results(root: pathlib.Path) -> dict[str, Any]:
    """What was measured so far, by the names of parts; parts that failed are tried again."""
    path = root / RESULTS
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: result for name, result in results.items() if "failed" not in result}


def print_tables(results: dict[str, Any]) -> None:
    """Prints the rows of all parts, those with the same columns in one table."""
    tables: dict[tuple[str, ...], list[dict]] = {}
    for name, result in results.items():
        for key in ("check", "rows"):
            for row in result.get(key, []):
                tables.setdefault((name.split("/")[0], key), []).append(row)
        if "failed" in result:
            print(f"{name} failed: {result['failed']}")
    for rows in tables.values():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        print(harness.table([{column: row.get(column) for column in columns} for row in rows]))
        print(flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="folder that was prepared")
    parser.add_argument("--seconds", type=float, default=540.0, help="time for this call")
    parser.add_argument("--only", help="name of the one folder to measure")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
