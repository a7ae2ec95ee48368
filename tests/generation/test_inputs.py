"""Examples that users give as files: what is taken, and one clear line for what is not."""

import numpy as np
import pytest
from PIL import Image

from tf_sintrovae.errors import UserError
from tf_sintrovae.generation import inputs

GREY = np.uint8([[0, 51], [102, 255], [204, 0]])  # 3 high, 2 wide


@pytest.fixture
def files(tmp_path):
    """A folder of examples of each kind; `files(name)` is the path of one."""
    colour = np.stack([GREY, GREY, 255 - GREY], axis=-1)
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(np.repeat(GREY[..., None], 3, axis=-1)).save(tmp_path / "grey_in_rgb.png")
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "flat.jpg")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and nothing")
    (tmp_path / "empty").mkdir()
    arrays = {
        "one": GREY,
        "two": np.stack([GREY, GREY])[..., None],
        "floats": GREY[None, ..., None] / 255,
        "points": np.float64([[1, 2], [3, 4]]),
        "integers": np.array([5, 6]),
        "nan": np.float32([[1, np.nan]]),
        "text": np.array([["a", "b"]]),
        "bright": 2.0 * np.ones((1, 3, 2, 1)),
        "none": np.zeros((0, 2)),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return lambda name: str(tmp_path / name)


def read(path, shape=(3, 2, 1), image_size=None):
    return inputs.read([path], shape, image_size)


@pytest.mark.parametrize("name", ["grey.png", "grey_in_rgb.png", "one.npy", "floats.npy"])
def test_a_grey_image_is_one_however_it_is_stored(name, files):
    x, names = read(files(name))
    np.testing.assert_allclose(x, GREY[None, ..., None] / 255, rtol=1e-6)
    assert x.dtype == np.float32 and names == [name.split(".")[0]]


def test_a_grey_image_is_repeated_for_a_model_of_colour(files):
    x, _ = read(files("grey.png"), (3, 2, 3))
    np.testing.assert_allclose(x[0], np.repeat(GREY[..., None], 3, axis=-1) / 255, rtol=1e-6)


def test_files_follow_each_other_in_the_order_given(files):
    x, names = inputs.read([files("two.npy"), files("grey.png")], (3, 2, 1))
    assert names == ["two", "two", "grey"] and x.shape == (3, 3, 2, 1)


def test_a_jpeg_is_brought_to_the_size_of_the_run(files):
    x, _ = read(files("flat.jpg"), (4, 4, 1), image_size=4)
    np.testing.assert_allclose(x, np.full((1, 4, 4, 1), 128 / 255), atol=0.01)


def test_a_folder_is_its_images(files, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        Image.fromarray(GREY).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    assert read(str(folder))[1] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "expected"), [("points", [[1, 2], [3, 4]]), ("integers", [[5, 6]])]
)
def test_points_are_taken_as_they_are(name, expected, files):
    x, _ = read(files(f"{name}.npy"), (2,))
    np.testing.assert_array_equal(x, np.float32(expected))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("nowhere.png", (3, 2, 1), "nowhere.png: no such file: give image files"),
        ("empty", (3, 2, 1), "empty: a folder without images"),
        ("broken.png", (3, 2, 1), "broken.png: not an image, or a corrupt one"),
        ("grey.png", (8, 8, 1), "is 2x3 pixels, the model takes 8x8: crop and resize it first"),
        ("colour.png", (3, 2, 1), "is in colour, the model takes grey images"),
        ("grey.png", (2,), r"takes 2 numbers, not images: give an .npy .* shape \[N, 2\]"),
        ("two.npy", (4, 2, 1), r"has shape \[2, 3, 2, 1\]: .* examples of shape \[4, 2, 1\]"),
        ("none.npy", (2,), r"has shape \[0, 2\]"),
        ("nan.npy", (2,), "expected finite numbers"),
        ("text.npy", (2,), "expected finite numbers, has <U1"),
        ("bright.npy", (3, 2, 1), "holds values from 2.0 to 2.0: expected floats from 0 to 1"),
    ],
)
def test_what_is_not_of_the_models_shape_is_named(name, shape, message, files):
    with pytest.raises(UserError, match=message):
        read(files(name), shape)
