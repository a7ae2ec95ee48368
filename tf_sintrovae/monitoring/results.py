"""The run `results` of TensorBoard: settings and final metrics for HParams, and the figures.

It mirrors the files of a run's folder, and is written anew as a whole whenever they have changed.
"""

import contextlib
import dataclasses
import json
import logging
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import PIL.Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

from tf_sintrovae.config import Config
from tf_sintrovae.monitoring import event_files
from tf_sintrovae.monitoring.event_files import Value
from tf_sintrovae.reporting import explanations
from tf_sintrovae.training.workdir import CHANGEABLE, Workdir

_log = logging.getLogger(__name__)

_MOST_METRICS = 200


@contextlib.contextmanager
def shown(folder: Workdir, settings: Config) -> Iterator[None]:
    """Shows a run in TensorBoard's HParams from its beginning on, and at its end how it ended."""
    _write(folder, settings, None)
    status = None
    try:
        yield
        status = api_pb2.STATUS_SUCCESS
    except (SystemExit, KeyboardInterrupt):  # stopped, or incomplete: it may be given again
        raise
    except BaseException:
        status = api_pb2.STATUS_FAILURE
        raise
    finally:
        _write(folder, settings, status)


def hparams(settings: Config) -> dict[str, bool | float | str]:
    """The settings that alter what is trained, as HParams takes them."""
    kept = {"epochs"} | {field.name for field in dataclasses.fields(settings)} - CHANGEABLE
    return {name: _plain(getattr(settings, name)) for name in sorted(kept)}


def _write(folder: Workdir, settings: Config, status: int | None) -> None:
    """Writes the event file; where that cannot be, the run goes on."""
    try:
        event_files.replace(folder.tensorboard_results, _events(folder, settings, status))
    except Exception as error:  # whatever it is, the run is worth more
        reason = " ".join(str(error).split()) or type(error).__name__
        _log.warning("TensorBoard's results cannot be written, the run goes on: %s", reason)


def _events(folder: Workdir, settings: Config, status: int | None) -> list[Event]:
    # Without a name of its own group, each run is a row, also where others have the same settings.
    values = list(summary_v2.hparams_pb(hparams(settings), trial_id="").value)
    if status is not None:
        end = summary.session_end_pb(
            status
        )  # a message of TensorFlow's, which has the same content
        values += Summary.FromString(end.SerializeToString()).value
    step, metrics = _metrics(folder.results, "metrics")
    events = [event_files.event(0, values)]
    best_step, best = _metrics(folder.results_best, "metrics_best")
    for at, points in ((step, [*metrics, *_figures(folder.figures)]), (best_step, best)):
        if points:
            events.append(event_files.event(at, points))
    return sorted(events, key=lambda each: each.step)


def _metrics(path: pathlib.Path, prefix: str) -> tuple[int, list[Value]]:
    """The step and the metrics of a file of results; none where there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        metrics: Mapping[str, Any] = content["metrics"]
        values = [
            event_files.scalar(
                f"{prefix}/{name}", float(value), explanations.explain(name).sentence
            )
            for name, value in metrics.items()
            if not name.startswith("component_share/")  # one for each of any number of components
        ]
        return int(content["step"]), values[:_MOST_METRICS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, []


def _figures(folder: pathlib.Path) -> list[Value]:
    """The pictures of the trained model."""
    values = []
    for path in sorted(folder.glob("*.png")):
        with PIL.Image.open(path) as picture:
            width, height = picture.size
        values.append(event_files.png(f"figures/{path.stem}", path.read_bytes(), width, height))
    return values


def _plain(value: Any) -> bool | float | str:
    """A setting as a number, a truth value or a text."""
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, tuple) else value
