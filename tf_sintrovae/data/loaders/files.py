"""`--dataset=files`: a user's own images in a folder, or images or points in an `.npz` or `.npy` file."""

import logging
import pathlib
from collections.abc import Sequence

import numpy as np

from tf_sintrovae.data import points
from tf_sintrovae.data.formats import folders, images, numpy_files, pixels
from tf_sintrovae.data.loader_options import LoaderOptions
from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")

# Names of a folder of test images beside `train`, in order of preference.
_TEST_FOLDERS = ("test", "validation", "valid", "val")
_Splits = tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]

_EXPECTED = "expected arrays x_train and x_test (perhaps y_train and y_test), or x (perhaps y)"


def load(options: LoaderOptions) -> ArraySource:
    """Loads a user's own images or points.

    Where they are not split into training and test, a tenth is held out at random, by `seed`.

    Args:
        options: options of the loader; `data_dir` is the folder of images or the `.npz` or `.npy` file.

    Returns:
        The data set.

    Raises:
        UserError: nothing is there, or it cannot be used; the message says why.
    """
    path = options.data_dir
    if path is None or not path.exists():
        raise UserError(
            f"data_dir={path} does not exist: dataset=files needs a folder of images, or an .npz "
            "or .npy file"
        )
    if path.is_dir():
        return _load_folder(path, options)
    if path.suffix == ".npz":
        return _load_npz(path, options)
    if path.suffix == ".npy":
        x = numpy_files.read_npy(path, options.max_bytes)
        return _source(options, _check(x, str(path)), None)
    raise UserError(f"data_dir={path}: expected a folder of images, an .npz or an .npy file")


def _load_folder(path: pathlib.Path, options: LoaderOptions) -> ArraySource:
    train, test = _split_folders(path)
    x, y, names = folders.read(train, options.image_size, options.max_bytes)
    if test is None:
        return _source(options, x, y, class_names=names)
    x_test, y_test, test_names = folders.read(
        test, options.image_size, options.max_bytes - x.nbytes
    )
    if names != test_names:
        raise UserError(
            f"{path}: train/ has classes {names}, {test.name}/ {test_names}: give both the same"
        )
    return _source(options, x, y, x_test, y_test, names)


def _split_folders(path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path | None]:
    """Where training and test images lie; no folder for the latter where none is set aside."""
    inside = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    test = next((name for name in _TEST_FOLDERS if name in inside), None)
    if "train" in inside and test:
        return path / "train", path / test
    if inside == ["train"]:
        _logger.info("%s: holds train/ and no test/", path)
        return path / "train", None
    if inside == ["test"]:
        raise UserError(
            f"{path}: holds test/ and no train/: add it, or give {path / 'test'} itself"
        )
    return path, None


def _load_npz(path: pathlib.Path, options: LoaderOptions) -> ArraySource:
    with numpy_files.NpzFile(path, options.max_bytes) as file:
        given = set(file.names)
        kinds = ("x_train", "x_test") if "x_train" in given else ("x",)
        labels = tuple(kind.replace("x", "y", 1) for kind in kinds)
        if not given >= set(kinds) or 0 < len(given & set(labels)) < len(labels):
            raise UserError(f"{path}: holds {', '.join(sorted(given)) or 'nothing'}: {_EXPECTED}")
        xs = [_check(file[x], f"{path}: {x}") for x in kinds]
        ys = [file[y] for y in labels if y in given]
    if not ys:
        return _source(options, *_arrange(xs, [None] * len(xs)))
    numbers, class_names = pixels.number_labels(ys, str(path))
    _require_labels(path, xs, numbers)
    return _source(options, *_arrange(xs, numbers), class_names)


def _arrange(xs: list[np.ndarray], ys: Sequence[np.ndarray | None]) -> _Splits:
    """Examples and labels of one split or two, in the order of `ArraySource`."""
    if len(xs) == 1:
        return xs[0], ys[0], None, None
    return xs[0], ys[0], xs[1], ys[1]


def _check(x: np.ndarray, where: str) -> np.ndarray:
    """Images or points, told apart by the number of dimensions."""
    return points.check_points(x, where) if x.ndim == 2 else pixels.check_images(x, where)


def _source(
    options: LoaderOptions,
    x: np.ndarray,
    y: np.ndarray | None,
    x_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
    class_names: tuple[str, ...] = (),
) -> ArraySource:
    x = _resize(options, x)
    if x_test is None:
        _require_two(options, x)
        _logger.info("%s: a tenth held out for tests, by seed %d", options.data_dir, options.seed)
        x, y, x_test, y_test = held_out(x, y, options.seed)
    else:
        x_test = _resize(options, x_test)
    _logger.info(
        "%s: %d training and %d test %s",
        *(options.data_dir, len(x), len(x_test), "points" if x.ndim == 2 else "images"),
    )
    return ArraySource(options.name, x, y, x_test, y_test, class_names)


def _require_labels(path: pathlib.Path, xs: list[np.ndarray], ys: list[np.ndarray]) -> None:
    for x, y in zip(xs, ys, strict=True):
        if len(x) != len(y):
            raise UserError(f"{path}: {len(y)} labels for {len(x)} examples: give one label each")


def _require_two(options: LoaderOptions, x: np.ndarray) -> None:
    if len(x) < 2:
        raise UserError(
            f"{options.data_dir}: holds a single example, of shape {list(x.shape[1:])}, which cannot be "
            "split into training and test: give more of them, or both splits"
        )


def _resize(options: LoaderOptions, x: np.ndarray) -> np.ndarray:
    if x.ndim == 2 and options.image_size is not None:
        raise UserError(
            f"image_size={options.image_size} has no meaning for {options.data_dir}, which holds points of "
            f"{x.shape[1]} coordinates: leave it out"
        )
    return images.resize(x, options.image_size)
