"""TensorBoard's event files: one a folder, in which every series has one point a step.

TensorFlow's writers only ever append, and make a new file at each start. A run that goes back to a checkpoint
would so keep points of steps that it then repeats, and one that is continued often would grow.
"""

import collections
import io
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, TypeAlias

import numpy as np
import PIL.Image
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram import summary_v2 as histograms
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.scalar import summary_v2 as scalars
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

from tf_sintrovae.files import write_atomically

Value: TypeAlias = Summary.Value  # a named value of one step

_PREFIX = "events.out.tfevents."
_VERSION = "brain.Event:2"


class EventFile:
    """An event file that takes points.

    Args:
        path: path of a complete event file, to which points are appended.
    """

    def __init__(self, path: pathlib.Path):
        self._file = open(path, "ab")  # noqa: SIM115 - open as long as the run goes on
        self._writer = RecordWriter(self._file)

    def add(self, step: int, values: Sequence[Value]) -> None:
        """Writes the values of a step, and leaves them to the operating system: a kill loses none.

        Raises:
            OSError: the file cannot be written.
        """
        if values:
            self._writer.write(event(step, values).SerializeToString())
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def rewind(folder: pathlib.Path, step: int, most_points: Callable[[Value], int]) -> EventFile:
    """Forgets what lies after a step, and thins series that have grown too long; the last points stay.

    Args:
        folder: folder of one run of TensorBoard; its subfolders are others.
        step: step from which training goes on.
        most_points: function from a value to the greatest number of points that are kept of its series; 0 for
            one that each start writes anew.

    Returns:
        The file, which takes what follows.

    Raises:
        OSError: the file cannot be written; the old ones are still there.
    """
    points = [point for point in _points(_paths(folder)) if point.step <= step]
    return EventFile(replace(folder, _thin(points, most_points)))


def replace(folder: pathlib.Path, events: Iterable[Event]) -> pathlib.Path:
    """Puts one event file in the place of all in a folder.

    A process that is killed in between leaves both. Readers take the later one: every file begins with the
    note of a start at step 0, of which the second voids what was read before.

    Args:
        folder: folder of one run of TensorBoard.
        events: what the file holds, in the order of the steps.

    Returns:
        The path of the file.

    Raises:
        OSError: the file cannot be written; the old ones are still there.
    """
    old, now = _paths(folder), time.time()
    start = SessionLog(status=SessionLog.START)
    head = [Event(wall_time=now, file_version=_VERSION), Event(wall_time=now, session_log=start)]

    def write(file: BinaryIO) -> None:
        writer = RecordWriter(file)
        for each in [*head, *events]:
            writer.write(each.SerializeToString())

    # Under a name that no reader takes for an event file until it is complete.
    folder.mkdir(exist_ok=True)
    complete, path = folder / "complete", folder / _next_name(old)
    write_atomically(complete, write)
    os.replace(complete, path)
    for each in old:
        each.unlink()
    return path


def event(step: int, values: Sequence[Value]) -> Event:
    """The event of a step, at the present time."""
    return Event(wall_time=time.time(), step=step, summary=Summary(value=values))


def scalar(tag: str, value: float, description: str = "") -> Value:
    """A number."""
    return scalars.scalar_pb(tag, value, description).value[0]


def histogram(tag: str, values: np.ndarray, description: str = "") -> Value:
    """The histogram of an array of any shape, in 30 bins."""
    return histograms.histogram_pb(tag, values, description=description).value[0]


def image(tag: str, pixels: np.ndarray, description: str = "") -> Value:
    """A picture [H, W, 3] uint8."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    height, width = pixels.shape[:2]
    return png(tag, file.getvalue(), width, height, description)


def png(tag: str, content: bytes, width: int, height: int, description: str = "") -> Value:
    """A picture that is a PNG file already."""
    metadata = images.create_summary_metadata(tag, description, converted_to_tensor=True)
    content_and_size = np.array([str(width).encode(), str(height).encode(), content], object)
    return Value(tag=tag, metadata=metadata, tensor=tensor_util.make_tensor_proto(content_and_size))


def _paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """The event files of a folder, in the order in which readers take them."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def _next_name(old: Sequence[pathlib.Path]) -> str:
    """A name that is read after the old ones; it bears the time in seconds, as TensorFlow's do."""
    second = int(time.time())
    while old and f"{_PREFIX}{second:010d}" <= old[-1].name:
        second += 1
    return f"{_PREFIX}{second:010d}"


def _points(paths: Sequence[pathlib.Path]) -> list[Event]:
    """The points of event files, one value each; the last of those that have tag and step in common."""
    points: dict[tuple[str, int], Event] = {}
    for each in _read(paths):
        for value in each.summary.value:
            point = Event(wall_time=each.wall_time, step=each.step)
            point.summary.value.append(value)
            points[value.tag, each.step] = point
    return sorted(points.values(), key=lambda point: point.step)


def _read(paths: Sequence[pathlib.Path]) -> Iterator[Event]:
    """The events of files, up to where a killed process has left one unfinished."""
    for path in paths:
        for content in RawEventFileLoader(str(path)).Load():
            yield Event.FromString(content)


def _thin(points: Sequence[Event], most_points: Callable[[Value], int]) -> list[Event]:
    """Leaves every n-th point of each series, counted from its end, so that not more than allowed remain."""
    series = collections.defaultdict(list)
    for point in points:
        series[point.summary.value[0].tag].append(point)
    kept: list[Event] = []
    for members in series.values():
        most = most_points(members[0].summary.value[0])
        if most:
            kept += members[::-1][:: -(-len(members) // most)]
    return sorted(kept, key=lambda point: point.step)
