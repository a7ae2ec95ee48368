"""A user's own images: folders, `.npz`, `.npy`, right and wrong."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from tests.data import samples
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError

SHAPE = (8, 8)


def load(path, **options):
    return registry.load("files", path, **options)


def write_folder(folder, x, suffix=".png"):
    folder.mkdir(parents=True)
    for i, image in enumerate(x):
        Image.fromarray(image).save(folder / f"{i:03}{suffix}")


def together(source):
    train, test = source.examples("train"), source.examples("test")
    return np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])


def assert_same_images(actual, expected):
    """As sets: a random tenth is held out."""
    actual, expected = (a.reshape(len(a), -1) for a in (actual, expected))
    np.testing.assert_allclose(
        np.unique(np.round(actual * 255), axis=0), np.unique(expected, axis=0), atol=1e-3
    )


@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 3)])
def test_a_folder_of_images(tmp_path, shape):
    x, _ = samples.images(30, shape)
    write_folder(tmp_path / "mine", x)
    (tmp_path / "mine" / "README.txt").write_text("not an image")
    (tmp_path / "mine" / ".hidden.png").write_text("not an image either")
    source = load(tmp_path / "mine")
    assert source.shape == (8, 8, shape[2] if len(shape) == 3 else 1)
    assert source.num_train == 27 and source.num_classes == 0
    assert_same_images(together(source)[0], x)


def test_class_sub_folders_give_labels(tmp_path):
    x, _ = samples.images(20, SHAPE)
    write_folder(tmp_path / "tigers", x[:12])
    write_folder(tmp_path / "lions", x[12:])
    (tmp_path / "notes").mkdir()
    source = load(tmp_path)
    assert source.class_names == ("lions", "tigers") and source.num_train == 18
    images, labels = together(source)
    assert_same_images(images[labels == 0], x[12:])
    assert_same_images(images[labels == 1], x[:12])


def test_train_and_test_sub_folders_are_the_splits(tmp_path):
    x, _ = samples.images(20, SHAPE)
    for i, part in enumerate(("train/a", "train/b", "test/a", "test/b")):
        write_folder(tmp_path / part, x[5 * i : 5 * i + 5])
    source = load(tmp_path)
    assert source.num_train == 10 and source.class_names == ("a", "b")
    np.testing.assert_allclose(source.examples("test").x[..., 0] * 255, x[10:], atol=1e-3)
    assert source.examples("test").y.tolist() == [0] * 5 + [1] * 5


def test_modes_are_brought_together(tmp_path):
    grey, colour = samples.images(1, SHAPE)[0][0], samples.images(1, (*SHAPE, 3))[0][0]
    images = {
        "a.png": Image.fromarray(grey),
        "b.png": Image.fromarray(colour),
        "c.png": Image.fromarray(colour).convert("RGBA"),
        "d.gif": Image.fromarray(grey).convert("P"),
        "e.bmp": Image.fromarray(grey > 100),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
    source = load(tmp_path)
    assert source.shape == (8, 8, 3)
    triple = np.repeat(grey[..., None], 3, -1)
    black_white = np.repeat((grey > 100)[..., None] * 255, 3, -1)
    assert_same_images(together(source)[0], np.stack([triple, colour, black_white]))


def test_images_of_various_sizes_need_an_image_size(tmp_path):
    for i, size in enumerate([(8, 8), (8, 12), (20, 16)] * 4):
        Image.fromarray(samples.images(1, size)[0][0]).save(tmp_path / f"{i:02}.png")
    with pytest.raises(
        UserError, match=r"01.png: is 12x8 pixels, 00.png is 8x8: give an image_size"
    ):
        load(tmp_path)
    assert load(tmp_path, image_size=8).shape == (8, 8, 1)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    image = Image.fromarray(samples.images(1, (8, 12))[0][0])
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: a quarter turn
    for i in range(3):
        image.save(tmp_path / f"{i}.png", exif=exif)
    assert load(tmp_path).shape == (12, 8, 1)


def corrupt_png():
    buffer = io.BytesIO()
    Image.fromarray(samples.images(1, (64, 64))[0][0]).save(buffer, "png")
    return buffer.getvalue()[:-700]


@pytest.mark.parametrize(
    "content", [b"", b"no image", corrupt_png()], ids=["empty", "text", "truncated"]
)
def test_a_corrupt_image_is_named(tmp_path, content):
    write_folder(tmp_path / "x", samples.images(5, (64, 64))[0])
    (tmp_path / "x" / "002a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"002a.png: not an image, or a corrupt one"):
        load(tmp_path / "x")


def test_sixteen_bit_images_are_refused(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(tmp_path / "deep.png")
    with pytest.raises(UserError, match=r"deep.png: has pixels of mode I;16"):
        load(tmp_path)


def test_folders_that_cannot_be_understood(tmp_path):
    with pytest.raises(UserError, match=r"holds no images: expected .bmp"):
        load(tmp_path)
    x = samples.images(3, SHAPE)[0]
    write_folder(tmp_path / "a", x)
    Image.fromarray(x[0]).save(tmp_path / "loose.png")
    with pytest.raises(UserError, match=r"loose.png: lies beside the class folders a"):
        load(tmp_path)
    (tmp_path / "loose.png").unlink()
    write_folder(tmp_path / "train" / "a", x)
    write_folder(tmp_path / "test" / "b", x)
    with pytest.raises(UserError, match=r"train/ has classes.*'a'.*test/.*'b'"):
        load(tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("shape", [SHAPE, (*SHAPE, 1), (*SHAPE, 3)])
def test_npz_with_splits(tmp_path, shape, dtype):
    (x, y), (x_test, y_test) = samples.images(20, shape), samples.images(10, shape, seed=1)
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=x.astype(dtype), y_train=y, x_test=x_test.astype(dtype), y_test=y_test)
    source = load(path)
    np.testing.assert_allclose(source.examples("train").x.reshape(x.shape), x / 255, atol=1e-6)
    np.testing.assert_allclose(source.examples("test").x.reshape(x_test.shape), x_test / 255, 1e-6)
    np.testing.assert_array_equal(source.examples("test").y, y_test)
    assert source.num_classes == 10


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_npz_of_floats_without_splits_is_split_by_the_seed(tmp_path, dtype):
    x, y = samples.images(40, SHAPE)
    np.savez_compressed(tmp_path / "mine.npz", x=(x / 255).astype(dtype), y=y[:, None] * 10)
    source, same, other = (load(tmp_path / "mine.npz", seed=seed) for seed in (3, 3, 4))
    assert source.num_train == 36 and source.class_names == tuple(map(str, range(0, 100, 10)))
    images, labels = together(source)
    assert_same_images(images, x if dtype != np.float16 else np.round(np.float16(x / 255) * 255.0))
    brightest_row = images[..., 0].mean(2).argmax(1)
    np.testing.assert_array_equal(brightest_row, np.arange(8)[labels * 8 // 10])
    np.testing.assert_array_equal(source.examples("test").x, same.examples("test").x)
    assert not np.array_equal(source.examples("test").x, other.examples("test").x)


def test_npy_and_text_labels(tmp_path):
    x, y = samples.images(20, SHAPE)
    np.save(tmp_path / "x.npy", x)
    assert load(tmp_path / "x.npy").num_classes == 0
    np.savez(tmp_path / "x.npz", x=x, y=np.array(["cat", "ape"])[y % 2])
    source = load(tmp_path / "x.npz", image_size=4)
    assert source.class_names == ("ape", "cat") and source.shape == (4, 4, 1)


IMAGES = samples.images(12, SHAPE)[0]
FLOATS = IMAGES / 255


def with_value(value):
    x = FLOATS.copy()
    x[3, 2, 1] = value
    return x


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": with_value(np.nan)}, "x holds 1 values that are NaN or infinite"),
        ({"x": with_value(np.inf)}, "x holds 1 values that are NaN"),
        ({"x": with_value(1.5)}, r"values from 0.0 to 1.5: expected floats from 0 to 1"),
        ({"x": with_value(-0.25)}, r"values from -0.25 to 0.9"),
        ({"x": IMAGES.astype(np.int32) + 100}, "to 331: expected integers from 0 to 255"),
        ({"x": IMAGES.astype(np.int32) - 1}, "values from -1 to"),
        ({"x": IMAGES > 100}, "dtype bool"),
        ({"x": IMAGES.astype(complex)}, "dtype complex128"),
        ({"x": IMAGES[0]}, r"shape \[8, 8\] and dtype uint8: points \[N, D\] are floats"),
        ({"x": IMAGES[:0]}, r"shape \[0, 8, 8, 1\]"),
        ({"x": np.repeat(IMAGES[..., None], 2, -1)}, r"shape \[12, 8, 8, 2\]"),
        ({"z": IMAGES}, "holds z: expected arrays x_train"),
        ({}, "holds nothing"),
        ({"x_train": IMAGES}, "holds x_train: expected"),
        ({"x_train": IMAGES, "x_test": IMAGES, "y_test": np.ones(12, int)}, "holds x_test, x_tr"),
        ({"x_train": IMAGES, "x_test": IMAGES[:, :4]}, r"\(8, 8, 1\).*\(4, 8, 1\)"),
        ({"x": IMAGES, "y": np.ones(11, int)}, "11 labels for 12 examples"),
        ({"x": IMAGES, "y": np.ones(12)}, "labels of dtype float64"),
        ({"x": IMAGES, "y": np.ones((12, 2), int)}, r"shape \[12, 2\]"),
    ],
)
def test_npz_that_cannot_be_used_is_refused_with_what_was_seen(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path / "mine.npz")
    assert "\n" not in str(caught.value)


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickles_are_never_opened(tmp_path, suffix):
    trace, path = tmp_path / "trace", tmp_path / f"bad{suffix}"
    array = np.array([Trap(str(trace))] * 3, object)
    if suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, x=array)
    with pytest.raises(UserError, match=f"bad{suffix}"):
        load(path)
    path.write_bytes(pickle.dumps(Trap(str(trace))))
    with pytest.raises(UserError, match=f"bad{suffix}: damaged"):
        load(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("keep", [0, 100, 400])
def test_truncated_files(tmp_path, suffix, keep):
    path = tmp_path / f"mine{suffix}"
    save = np.save if suffix == ".npy" else lambda path, x: np.savez(path, x=x)
    save(path, IMAGES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=f"mine{suffix}(:| is) damaged"):
        load(path)


def test_a_damaged_member_is_named(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x=IMAGES)
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="array 'x' is damaged"):
        load(path)


def test_content_under_the_other_suffix(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(UserError, match=r"not what .npz promises"):
        load(tmp_path / "x.npz")


def test_paths_that_do_not_do(tmp_path):
    (tmp_path / "x.csv").write_text("1,2")
    with pytest.raises(UserError, match=r"x.csv: expected a folder of images, an .npz"):
        load(tmp_path / "x.csv")
    with pytest.raises(UserError, match=r"data_dir=.*nowhere does not exist"):
        load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="data_dir=None does not exist"):
        load(None)
