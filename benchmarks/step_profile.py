"""Where the time of an introspective step goes, by kind of operation.

    python -m benchmarks.step_profile [--setting=plane] [--output=profile.json]

TensorFlow's profiler records some steps as `fit` runs them. An operation's time is that of the thread that
started it; operations that run side by side count both, so the shares are of the sum. Each oneDNN setting
runs in a process of its own.
"""

import collections
import pathlib
import re
import tempfile

from benchmarks import harness, training_step

STEPS = 10

# Kind -> operations as the profiler names them. `ExecuteAsyncOnStream` runs a program that XLA compiled.
KINDS = {
    "dense and convolutional layers": re.compile(r":.*(MatMul|Conv2D)"),
    "compiled kernels and noise": re.compile(r"^CpuExecutable::ExecuteAsyncOnStream$"),
    "random integers": re.compile(r":StatelessRandom"),
    "batch norm": re.compile(r":.*FusedBatchNorm"),
}
OPERATION = re.compile(r"^[^ ]*[^:]:[A-Z_]\w*$")


def main() -> None:
    """Runs one process for each oneDNN setting, prints tables and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--setting", default="plane", choices=training_step.SETTINGS)
    options = parser.parse_args()
    if options.child:
        harness.write_json(options.child, measure(options.setting))
        return
    results = harness.compare_onednn("benchmarks.step_profile", f"--setting={options.setting}")
    if options.output:
        harness.write_json(options.output, {"setting": options.setting, **results})


def measure(setting: str, steps: int = STEPS) -> list[dict]:
    """A row for each kind of operation: milliseconds and operations a step, and the share of all."""
    import tensorflow as tf

    step = training_step.step("mixture", "introspective", training_step.SETTINGS[setting])
    for _ in range(3):  # compilation
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(steps):
                step()
        (record,) = pathlib.Path(folder).rglob("*.xplane.pb")
        times, counts = _by_kind(record.read_bytes())
    total = sum(times.values())
    return [
        {
            "kind": kind,
            "ms a step": time / steps,
            "operations a step": counts[kind] / steps,
            "share": time / total,
        }
        for kind, time in times.most_common()
    ]


def _by_kind(record: bytes) -> tuple[collections.Counter, collections.Counter]:
    """Milliseconds and number of the operations of each kind in a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    for plane in xplane_pb2.XSpace.FromString(record).planes:
        for line in plane.lines:
            for event in line.events:
                kind = _kind(plane.event_metadata[event.metadata_id].name)
                if kind is not None:
                    times[kind] += event.duration_ps / 1e9
                    counts[kind] += 1
    return times, counts


def _kind(name: str) -> str | None:
    """Which kind the profiler's event belongs to; None for what is not an operation."""
    for kind, pattern in KINDS.items():
        if pattern.search(name):
            return kind
    return "everything else" if OPERATION.match(name) else None


if __name__ == "__main__":
    main()
