"""Images a second of the input pipeline, against what the training step consumes.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --appetite=20000

The images are random, of the number and size of the named data sets: only bytes are moved. The appetite is
measured with the introspective step of the data set's own settings on this machine, or given.
"""

import json
import os
import pathlib
import platform
import time
import typing
from collections.abc import Iterable

from absl import flags

from tf_sintrovae import command, files

if typing.TYPE_CHECKING:
    from tf_sintrovae.config import Config
    from tf_sintrovae.data.source import Source

_CASES = {
    "fashion_mnist": ((60_000, 28, 28, 1), {"latent_dim": 32, "widths": (64, 128)}),
    "cifar10": (
        (50_000, 32, 32, 3),
        {"latent_dim": 128, "widths": (64, 128, 256), "batch_size": 32},
    ),
}
_STEPS = 3

_APPETITE = flags.DEFINE_float(
    "appetite", None, "images a second that training consumes; measured when not given"
)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "how long to draw batches of each data set")
_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write the table to")


def main() -> None:
    """Measures every case and prints a table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()  # as in training
    rows = [_measure(name, *case) for name, case in _CASES.items()]
    print(f"{'data set':15} {'images/s':>12} {'step takes/s':>14} {'ratio':>8}")
    for row in rows:
        print(
            f"{row['dataset']:15} {row['images_per_second']:12,.0f} "
            f"{row['appetite_per_second']:14,.1f} {row['ratio']:8,.0f}"
        )
    if _OUTPUT.value:
        report = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "rows": rows}
        files.write_atomically(pathlib.Path(_OUTPUT.value), json.dumps(report, indent=2) + "\n")


def _measure(name: str, shape: tuple[int, ...], settings: dict) -> dict:
    import numpy as np

    from tf_sintrovae.config import Config
    from tf_sintrovae.data.sources.arrays import ArraySource

    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    source = ArraySource(name, x, np.arange(len(x)) % 10)
    config = Config(dataset=name, **settings)
    supply = _supply(source.train_batches(config.batch_size, seed=0), config.batch_size)
    appetite = _APPETITE.value or _appetite(config, source)
    return {
        "dataset": name,
        "batch_size": config.batch_size,
        "images_per_second": supply,
        "appetite_per_second": appetite,
        "ratio": supply / appetite,
    }


def _supply(batches: Iterable, batch_size: int) -> float:
    """Images a second, with nobody but this loop consuming them."""
    stream = iter(batches)
    next(stream)
    start = time.perf_counter()
    count, elapsed = 0, 0.0
    while elapsed <= _SECONDS.value:
        next(stream)
        count, elapsed = count + 1, time.perf_counter() - start
    return count * batch_size / elapsed


def _appetite(config: "Config", source: "Source") -> float:
    """Images a second of the introspective training step, after its tracing."""
    from tf_sintrovae import build
    from tf_sintrovae.training import strategy

    distribution = strategy.choose_strategy(config)
    model = build.build_model(config, source, strategy.use_xla(config, distribution))
    model.hand_over()
    model.start_introspection()
    # One batch again and again, so that the pipeline has no part in it.
    batches = source.train_batches(config.batch_size, 0).take(1).cache().repeat()
    model.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)
    start = time.perf_counter()
    model.fit(batches, steps_per_epoch=_STEPS, shuffle=False, verbose=0)
    return _STEPS * config.batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    command.run(main)
