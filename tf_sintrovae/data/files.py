"""`--dataset=files`: a user's own images, in a folder, an `.npz` or an `.npy` file."""

import logging
import pathlib
import zipfile
import zlib

import numpy as np

from tf_sintrovae.data import folders, images, pixels, registry
from tf_sintrovae.data.arrays import ArraySource, held_out
from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")

_SPLITS = ("train", "test")
_EXPECTED = "expected arrays x_train and x_test (perhaps y_train and y_test), or x (perhaps y)"


@registry.register("files")
def load(options: registry.Options) -> ArraySource:
    """Loads images of one's own.

    Where they are not split into training and test, a tenth is held out at random, by `seed`.

    Args:
        options: `data_dir` is the folder of images or the `.npz` or `.npy` file.

    Returns:
        The data set.

    Raises:
        UserError: nothing there, or what is there cannot be used; the message says why.
    """
    path = options.data_dir
    if path is None or not path.exists():
        raise UserError(
            f"data_dir={path} does not exist: dataset=files needs a folder of images, or an .npz "
            "or .npy file"
        )
    if path.is_dir():
        return _from_folder(path, options)
    if path.suffix == ".npz":
        return _from_npz(path, options)
    if path.suffix == ".npy":
        x = pixels.checked_images(_opened(path), str(path))
        return _source(options, x, None)
    raise UserError(f"data_dir={path}: expected a folder of images, an .npz or an .npy file")


def _from_folder(path: pathlib.Path, options: registry.Options) -> ArraySource:
    if not all((path / split).is_dir() for split in _SPLITS):
        x, y, class_names = folders.read(path, options.image_size)
        return _source(options, x, y, class_names=class_names)
    (x, y, names), (x_test, y_test, test_names) = (
        folders.read(path / split, options.image_size) for split in _SPLITS
    )
    if names != test_names:
        raise UserError(
            f"{path}: train/ has classes {names}, test/ {test_names}: give both the same"
        )
    return _source(options, x, y, x_test, y_test, names)


def _from_npz(path: pathlib.Path, options: registry.Options) -> ArraySource:
    with _opened(path) as file:
        given = set(file.files)
        kinds = ("x_train", "x_test") if "x_train" in given else ("x",)
        labels = tuple(kind.replace("x", "y", 1) for kind in kinds)
        if not given >= set(kinds) or 0 < len(given & set(labels)) < len(labels):
            raise UserError(f"{path}: holds {', '.join(sorted(given)) or 'nothing'}: {_EXPECTED}")
        xs = [pixels.checked_images(_array(path, file, x), f"{path}: {x}") for x in kinds]
        ys = [_array(path, file, y) for y in labels if y in given]
    names = ()
    if ys:
        ys, names = pixels.numbered_labels(ys, str(path))
    ys = ys or [None] * len(xs)
    _require_labels(path, xs, ys)
    splits = [array for split in zip(xs, ys, strict=True) for array in split]
    return _source(options, *splits, class_names=names)


def _source(
    options: registry.Options, x, y, x_test=None, y_test=None, class_names: tuple[str, ...] = ()
) -> ArraySource:
    x = images.resize(x, options.image_size)
    if x_test is None:
        _logger.info("%s: a tenth held out for tests, by seed %d", options.data_dir, options.seed)
        splits = held_out(x, y, options.seed)
    else:
        splits = x, y, images.resize(x_test, options.image_size), y_test
    _logger.info(
        "%s: %d training and %d test images", options.data_dir, len(splits[0]), len(splits[2])
    )
    return ArraySource(options.name, *splits, class_names=class_names)


def _require_labels(path: pathlib.Path, xs: list[np.ndarray], ys: list) -> None:
    for x, y in zip(xs, ys, strict=True):
        if y is not None and len(x) != len(y):
            raise UserError(f"{path}: {len(y)} labels for {len(x)} images: give one label an image")


def _opened(path: pathlib.Path):
    """`np.load` without pickles, which could run any code."""
    try:
        opened = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged, or not a NumPy file of numbers ({error})") from error
    if isinstance(opened, np.ndarray) != (path.suffix == ".npy"):
        raise UserError(f"{path}: the content is not what {path.suffix} promises: rename it")
    return opened


def _array(path: pathlib.Path, file, name: str) -> np.ndarray:
    try:
        return file[name]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: array {name!r} is damaged or not numbers ({error})") from error
