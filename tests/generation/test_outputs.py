"""The files of what was generated: pixels, numbers, and nothing half written."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from tf_sintrovae import drawing
from tf_sintrovae.errors import UserError
from tf_sintrovae.generation import outputs
from tf_sintrovae.generation.gallery import Gallery


def images(count, size=64, channels=1, **settings):
    """`count` flat images of rising brightness."""
    values = np.linspace(0.0, 0.9, count, dtype=np.float32)
    x = np.broadcast_to(values[:, None, None, None], (count, size, size, channels))
    names = [f"{i:05}" for i in range(count)]
    return Gallery(x, names, np.arange(count), **{"columns": 2} | settings)


def points(count, size=2, **settings):
    x = np.random.default_rng(0).normal(size=(count, size)).astype(np.float32)
    return Gallery(
        x, list(map(str, range(count))), np.arange(count) % 3, 2, "component", **settings
    )


def brightness(path):
    return np.asarray(Image.open(path).convert("L"))


def test_a_picture_is_a_grid_in_the_order_of_the_images(tmp_path):
    shown = images(3)
    pixels = brightness(outputs.write(shown, tmp_path / "grid.png"))
    assert pixels.shape == (130, 130)
    expected = (255 * shown.x[:, 0, 0, 0]).astype(np.uint8)
    assert [pixels[30, 30], pixels[30, 95], pixels[95, 30]] == expected.tolist()
    assert pixels[95, 95] == 255  # the place without an image


def test_small_images_are_enlarged_by_a_whole_factor(tmp_path):
    pixels = brightness(outputs.write(images(2, size=28), tmp_path / "grid.png"))
    assert pixels.shape == (57, 114)


def test_each_original_is_above_its_reconstruction(tmp_path):
    shown = images(3, originals=np.ones((3, 64, 64, 1), np.float32))
    pixels = brightness(outputs.write(shown, tmp_path / "grid.png"))
    assert pixels.shape == (4 * 65, 130)
    assert [pixels[30 + 65 * row, 30] for row in (0, 2)] == [255, 255]
    below = [pixels[95, 30], pixels[95, 95], pixels[95 + 130, 30]]
    assert below == (255 * shown.x[:, 0, 0, 0]).astype(np.uint8).tolist()


def test_titles_stand_beside_their_rows(tmp_path):
    pixels = brightness(
        outputs.write(images(4, titles=["3: 60.0%", "1: 40.0%"]), tmp_path / "grid.png")
    )
    assert pixels.shape == (130, 130 + 90)
    for row in (pixels[:65, :90], pixels[65:, :90]):
        assert (row < 128).sum() > 20  # letters


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_folder_has_a_file_for_each_image_of_its_own_size(channels, mode, tmp_path):
    shown = images(3, size=5, channels=channels)
    folder = outputs.write(shown, tmp_path / "new" / "folder")
    assert sorted(os.listdir(folder)) == ["00000.png", "00001.png", "00002.png"]
    for name, x in zip(sorted(os.listdir(folder)), shown.x, strict=True):
        image = Image.open(folder / name)
        assert (image.mode, image.size) == (mode, (5, 5))
        assert np.unique(np.asarray(image)) == [int(255 * x[0, 0, 0])]


def test_an_array_is_the_examples(tmp_path):
    shown = images(3)
    np.testing.assert_array_equal(np.load(outputs.write(shown, tmp_path / "x.npy")), shown.x)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_points_are_drawn_and_tabled(size, tmp_path):
    shown = points(4, size)
    folder = outputs.write(shown, tmp_path / "folder")
    assert sorted(os.listdir(folder)) == ["points.csv", "points.png"]
    header, *rows = csv.reader((folder / "points.csv").read_text().splitlines())
    assert header == [*(f"x{i}" for i in range(size)), "component"]
    np.testing.assert_array_equal(np.float32([row[:-1] for row in rows]), shown.x)
    assert [int(row[-1]) for row in rows] == [0, 1, 2, 0]
    assert len(np.unique(brightness(folder / "points.png"))) > 3


def test_reconstructed_points_are_drawn_on_the_given_ones():
    given = np.float32([[-3, 0], [5, 0]])
    axes = outputs.point_figure(points(4, originals=given)).axes[0]
    drawn = [group.get_offsets() for group in axes.collections]
    np.testing.assert_allclose(drawn[1], given)
    assert axes.get_xlim()[0] < -3 and axes.get_xlim()[1] > 5


def test_images_have_no_table(tmp_path):
    with pytest.raises(UserError, match=r"output=.*x\.csv: images have no table"):
        outputs.write(images(2), tmp_path / "x.csv")
    assert os.listdir(tmp_path) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is there and not an empty folder"):
        outputs.write(images(2), tmp_path)
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"output=.*grid\.png cannot be written"):
        outputs.write(images(2), tmp_path / "file" / "grid.png")


@pytest.mark.parametrize("name", ["grid.png", "folder"])
def test_a_failure_leaves_nothing_half_written(name, tmp_path, monkeypatch):
    done = []

    def fail_the_second_time(image):
        done.append(1)
        if len(done) == 2 or name == "grid.png":
            raise MemoryError
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr(drawing, "to_rgb", fail_the_second_time)
    with pytest.raises(MemoryError):
        outputs.write(images(3), tmp_path / name)
    assert os.listdir(tmp_path) == []
