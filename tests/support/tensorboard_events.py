"""What TensorBoard reads from a folder, by its own readers."""

import pathlib

# The reader of TensorBoard's own server; `event_accumulator` is an older one, which serves no page.
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

# Everything: TensorBoard itself keeps a random choice of long series.
_ALL = {"tensors": 0}


def series(folder: pathlib.Path) -> dict[str, list[tuple[int, object]]]:
    """`{tag: [(step, value)]}` of one run, numbers as floats, all else as arrays."""
    reader = EventAccumulator(str(folder), size_guidance=_ALL).Reload()
    return {
        tag: [(e.step, _value(e.tensor_proto)) for e in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
    }


def scalars(folder: pathlib.Path) -> dict[str, dict[int, float]]:
    """`{tag: {step: value}}` of the numbers of one run, each of which has one point a step."""
    found = {}
    for tag, points in series(folder).items():
        steps = [step for step, _ in points]
        assert len(steps) == len(set(steps)), f"{tag} has several points at a step: {steps}"
        assert steps == sorted(steps), f"{tag} goes back: {steps}"
        if all(isinstance(value, float) for _, value in points):
            found[tag] = dict(points)
    return found


def _value(proto):
    array = tensor_util.make_ndarray(proto)
    return float(array) if array.ndim == 0 and array.dtype.kind == "f" else array
