"""What the benchmarks share: interleaved timing, memory, tables, results as JSON."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def machine() -> str:
    """Processor, cores, GPUs and load of this machine, in one line."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        name = lines[0] if lines else name
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    parts = [name, f"{os.cpu_count()} cores", *_gpus(), f"load {load:.1f} at the start"]
    return ", ".join(parts)


def argument_parser(description: str) -> argparse.ArgumentParser:
    """The command line that benchmarks share: `--output`, and `--child`, by which `in_process` gets rows."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--output", help="write the results here, as JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def compare_onednn(module: str, *arguments: str) -> dict[str, Any]:
    """Rows of a benchmark with oneDNN off and on, printed as they come; arguments as in `in_process`.

    Returns:
        `machine`, and under `onednn` the rows of "0" (off) and "1" (on).
    """
    results: dict[str, Any] = {"machine": machine(), "onednn": {}}
    print(results["machine"])
    for onednn in ("0", "1"):
        rows = in_process(module, onednn, *arguments)
        results["onednn"][onednn] = rows
        print(f"\nTF_ENABLE_ONEDNN_OPTS={onednn}\n{table(rows)}")
    return results


def in_process(module: str, onednn: str, *arguments: str) -> list[dict]:
    """Rows that a fresh process of a benchmark writes, with oneDNN off ("0") or on ("1").

    TensorFlow reads that setting once, when it starts.

    Args:
        module: name of the benchmark, run as `python -m MODULE ARGUMENTS --child=FILE`; it writes its rows to
            FILE.
        onednn: value of TF_ENABLE_ONEDNN_OPTS.
        arguments: further arguments of the process.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "results.json")
        environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", module, *arguments, f"--child={path}"]
        subprocess.run(command, env=environment, check=True)
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def interleaved_medians(
    functions: Mapping[str, Callable], repeats: int = 9, warm_up: int = 2
) -> dict[str, float]:
    """Median seconds of each function; all run in turn, so that a busy spell meets them alike.

    Args:
        functions: functions by name, without arguments; each returns when its work is done.
        repeats: number of timed rounds.
        warm_up: number of rounds before them, compilation among them, that do not count.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for index in range(warm_up + repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if index >= warm_up:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def wait(outputs: Iterable) -> None:
    """Returns when all of some tensors are there, on a GPU too; on a CPU they are, and nothing is copied."""
    import tensorflow as tf

    for output in outputs:
        tf.reshape(output, [-1])[:1].numpy()


def resident_bytes() -> int:
    """Memory that this process holds at present (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_growth(function: Callable, interval: float = 0.002) -> int:
    """Bytes by which memory grows at most while `function` runs.

    The first GPU's memory where there is one, by TensorFlow's count; else the process's, looked at every
    `interval` seconds.
    """
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")
        before = tf.config.experimental.get_memory_info("GPU:0")["current"]
        function()
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] - before
    return _peak_growth_of_process(function, interval)


def _peak_growth_of_process(function: Callable, interval: float) -> int:
    baseline = resident_bytes()
    peak = baseline
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(interval):
            peak = max(peak, resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(peak, resident_bytes()) - baseline


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of equal keys as aligned text."""
    header = list(rows[0])
    cells = [header] + [[_text(row[key]) for key in header] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )


def write_json(path: str, results: object) -> None:
    """Writes results whole or not at all."""
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
        file.write("\n")
    os.replace(partial, path)


def _gpus() -> list[str]:
    """Names of the NVIDIA GPUs, none without the driver's tool."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
