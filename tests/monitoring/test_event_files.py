"""The event file: one point a step after a resume, and no more points than allowed."""

import io
import pathlib

import numpy as np
import PIL.Image
import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.support.tensorboard_events import scalars, series
from tf_sintrovae.monitoring import event_files
from tf_sintrovae.monitoring.event_files import event, rewind, scalar


def most(value):
    return 100


def begin(folder, steps, value=1.0, tag="a"):
    """A run that has written its points and was killed."""
    file = rewind(folder, 0, most)
    for step in steps:
        file.add(step, [scalar(tag, value)])
    return file


def test_what_is_written_is_read(tmp_path):
    file = rewind(tmp_path, 0, most)
    file.add(3, [scalar("a", 1.5), scalar("b", -2.0)])
    file.add(6, [scalar("a", 2.5)])
    assert scalars(tmp_path) == {"a": {3: 1.5, 6: 2.5}, "b": {3: -2.0}}


def test_what_a_resumed_run_repeats_is_forgotten(tmp_path):
    begin(tmp_path, [3, 6, 9])
    file = rewind(tmp_path, 6, most)
    assert scalars(tmp_path) == {"a": {3: 1.0, 6: 1.0}}
    file.add(9, [scalar("a", 7.0)])
    assert scalars(tmp_path) == {"a": {3: 1.0, 6: 1.0, 9: 7.0}}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_series_that_is_not_written_again_does_not_stay_either(tmp_path):
    begin(tmp_path, [9], tag="introspective").close()
    rewind(tmp_path, 3, most).add(6, [scalar("a", 1.0)])
    assert scalars(tmp_path) == {"a": {6: 1.0}}


def test_a_reader_that_is_open_meanwhile_sees_one_point_a_step(tmp_path):
    begin(tmp_path, [3, 6, 9])
    reader = EventAccumulator(str(tmp_path)).Reload()
    rewind(tmp_path, 3, most).add(6, [scalar("a", 7.0)])
    assert [e.step for e in reader.Reload().Tensors("a")] == [3, 6]


def test_a_process_killed_between_the_new_file_and_the_removal_leaves_one_point_a_step(
    tmp_path, monkeypatch
):
    begin(tmp_path, [3, 6, 9])

    def die(path):
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(pathlib.Path, "unlink", die)
        rewind(tmp_path, 6, most)
    assert len(list(tmp_path.glob("events*"))) == 2
    assert scalars(tmp_path) == {"a": {3: 1.0, 6: 1.0}}
    rewind(tmp_path, 3, most)
    assert scalars(tmp_path) == {"a": {3: 1.0}}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_point_that_a_killed_process_left_unfinished_is_dropped(tmp_path, cut):
    begin(tmp_path, [3, 6]).close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    assert scalars(tmp_path) == {"a": {3: 1.0}}
    rewind(tmp_path, 6, most).add(9, [scalar("a", 2.0)])
    assert scalars(tmp_path) == {"a": {3: 1.0, 9: 2.0}}


def test_a_long_series_is_thinned_evenly_and_keeps_its_end(tmp_path):
    begin(tmp_path, range(1, 31))
    rewind(tmp_path, 30, lambda value: 10)
    assert list(scalars(tmp_path)["a"]) == list(range(3, 31, 3))


def test_one_file_takes_the_place_of_another(tmp_path):
    for value in (1.0, 2.0):
        event_files.replace(tmp_path, [event(5, [scalar("a", value)])])
        assert scalars(tmp_path) == {"a": {5: value}}
        assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    begin(tmp_path, [3, 6])

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(event_files, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        rewind(tmp_path, 3, most)
    assert scalars(tmp_path) == {"a": {3: 1.0, 6: 1.0}}


def test_pictures_and_histograms_are_read(tmp_path):
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    values = np.array([0.0, 0.0, 1.0])
    event_files.rewind(tmp_path, 0, most).add(
        1, [event_files.image("image", pixels), event_files.histogram("histogram", values)]
    )
    found = series(tmp_path)
    ((_, (width, height, png)),) = found["image"]
    assert (int(width), int(height)) == (5, 4)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(png))), pixels)
    ((_, bins),) = found["histogram"]
    assert bins.shape == (30, 3)
    assert bins[:, 2].sum() == 3 and bins[0, 2] == 2 and bins[-1, 2] == 1
