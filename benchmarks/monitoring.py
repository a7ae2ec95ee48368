"""What TensorBoard's files of a run cost: processor seconds and bytes of each part, at one epoch's end.

    python -m benchmarks.monitoring [--presets=digits,fmnist] [--output=monitoring.json]

The second writing of a part counts: the first reads the examples. The models are not trained, which costs the
same. Beside each part stands how often a run writes it.
"""

import pathlib
import tempfile
import time
from collections.abc import Callable

from benchmarks import harness


def main() -> None:
    """Measures the presets in turn, prints a table and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--presets", default="digits,fmnist", help="flag files by name")
    options = parser.parse_args()
    print(harness.machine())
    rows = [row for name in options.presets.split(",") for row in measure(name)]
    print(harness.table(rows))
    if options.output:
        harness.write_json(options.output, rows)


def measure(preset: str) -> list[dict]:
    """A row for each part of what a run of `preset` writes for TensorBoard."""
    from tf_sintrovae import build, plots, presets
    from tf_sintrovae.data import registry
    from tf_sintrovae.monitoring import event_files, prior_use, projector, summaries
    from tf_sintrovae.serving.servable import Servable

    settings = presets.settings(preset)
    source = registry.load(settings.dataset)
    model = build.build_model(settings, source)
    figures = plots.TrainingFigures(model, source, settings.seed)
    observe = prior_use.PriorObserver(model, source, settings.seed)

    def project(folder: pathlib.Path) -> None:
        signatures = Servable(model, source.value_limits).signatures
        projector.write_projection(signatures, source, folder, settings.seed)

    def scalars(folder: pathlib.Path) -> None:
        file = event_files.rewind(folder, 0, summaries.most_points)
        file.add(1, [event_files.scalar(f"player/metric_{k}", 1.0, "words") for k in range(20)])

    def prior(folder: pathlib.Path) -> None:
        file = event_files.rewind(folder, 0, summaries.most_points)
        file.add(1, summaries.prior_values(observe()))

    def pictures(folder: pathlib.Path) -> None:
        file = event_files.rewind(folder, 0, summaries.most_points)
        file.add(1, summaries.pictures(figures()))

    parts = (
        ("20 scalars", scalars, f"at most {summaries.MOST_SCALARS} times"),
        ("histograms", prior, f"at most {summaries.MOST_HISTOGRAMS} times"),
        ("pictures", pictures, f"at most {summaries.MOST_PICTURES} times"),
        ("projector", project, f"at most {summaries.MOST_PICTURES} times, in its own place"),
    )
    return [
        {"preset": preset, "part": name, **_cost(write), "written": often}
        for name, write, often in parts
    ]


def _cost(write: Callable[[pathlib.Path], None]) -> dict[str, float]:
    """Processor seconds of all threads, and kilobytes, of the second writing."""
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        write(pathlib.Path(folder))
        seconds = time.process_time() - start
        size = sum(path.stat().st_size for path in pathlib.Path(folder).iterdir())
    return {"seconds": round(seconds, 3), "kB": round(size / 1e3, 1)}


if __name__ == "__main__":
    main()
