"""Throughput of one and of two workers on this machine, one thread each, and what their collectives cost.

    python -m benchmarks.workers [--preset=8gaussians] [--steps=50] [--output=workers.json]

Two workers share a batch, each on a thread of its own, connected by loopback. One worker with half the batch
does what each of them computes, and no collective: what the two need more is the collectives' share. Times
are medians of introspective steps after a warm-up; the two workers wait for each other at each.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks import harness

_WARM_UP = 5
_THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Times one worker, half of its batch, and two workers, each in fresh processes."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--preset", default="8gaussians")
    parser.add_argument("--steps", type=int, default=50, help="that are timed")
    parser.add_argument("--batch_size", type=int, help="over all; the preset's by default")
    options = parser.parse_args()
    if options.child:
        seconds = step_seconds(options.preset, options.batch_size, options.steps)
        harness.write_json(options.child, seconds)
        return
    print(harness.machine())
    rows = compare(options.preset, options.batch_size, options.steps)
    print(harness.table(rows))
    if options.output:
        harness.write_json(options.output, {"machine": harness.machine(), "rows": rows})


def compare(preset: str, batch_size: int | None, steps: int) -> list[dict]:
    """A row for each number of workers and batch; `collectives` is the share of two workers' time."""
    from tf_sintrovae import presets

    size = batch_size or presets.settings(preset).batch_size
    cases = {"one worker": (1, size), "one worker, half": (1, size // 2), "two workers": (2, size)}
    seconds = {name: _run(count, preset, size, steps) for name, (count, size) in cases.items()}
    share = 1.0 - seconds["one worker, half"] / seconds["two workers"]
    return [
        {
            "case": name,
            "batch size": cases[name][1],
            "step ms": 1e3 * seconds[name],
            "examples/s": cases[name][1] / seconds[name],
            "collectives": share if name == "two workers" else 0.0,
        }
        for name in cases
    ]


def step_seconds(preset: str, batch_size: int, steps: int) -> float:
    """Median time of introspective steps of this process, one of several workers if TF_CONFIG says so."""
    import dataclasses

    from tf_sintrovae import build, presets
    from tf_sintrovae.data import registry
    from tf_sintrovae.training import strategy
    from tf_sintrovae.training.cluster import find_cluster

    config = dataclasses.replace(presets.settings(preset), batch_size=batch_size)
    distribution = strategy.choose_strategy(config, find_cluster("auto"))
    source = registry.load(config.dataset, config.data_dir, config.image_size, config.seed)
    with distribution.scope():
        model = build.build_model(config, source, False, distribution.num_replicas_in_sync)
    if config.hand_over_epoch is not None:
        model.hand_over()
    model.start_introspection()
    watch = _watch()
    model.fit(
        strategy.training_batches(source, config, distribution, 0),
        steps_per_epoch=steps + _WARM_UP,
        verbose=0,
        shuffle=False,
        callbacks=[watch],
    )
    return statistics.median(watch.seconds[_WARM_UP:])


def _watch() -> Any:
    """A callback that times steps."""
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._begun = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self._begun)

    return Watch()


def _run(workers: int, preset: str, batch_size: int, steps: int) -> float:
    """The median that `workers` fresh processes find; the chief's."""
    ports = _free_ports(workers)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{index}.json") for index in range(workers)]
        arguments = [f"--preset={preset}", f"--batch_size={batch_size}", f"--steps={steps}"]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.workers", *arguments, f"--child={path}"],
                env=os.environ | _THREADS | _config(ports, index),
            )
            for index, path in enumerate(paths)
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise RuntimeError(f"workers ended with {codes}")
        with open(paths[0], encoding="utf-8") as file:
            return json.load(file)


def _config(ports: list[int], index: int) -> dict[str, str]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
    return {"TF_CONFIG": json.dumps(config), "TF_CPP_MIN_LOG_LEVEL": "3"}


def _free_ports(count: int) -> list[int]:
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


if __name__ == "__main__":
    main()
