"""Examples that a user gives as files, for the model to reconstruct or to go between."""

import math
import pathlib
from collections.abc import Sequence

import numpy as np

from tf_sintrovae import files
from tf_sintrovae.data.formats import folders, numpy_files, pixels
from tf_sintrovae.errors import UserError

_MAX_BYTES = 2**30


def read(
    names: Sequence[str], shape: tuple[int, ...], image_size: int | None = None
) -> tuple[np.ndarray, list[str]]:
    """Reads examples of a model's shape.

    Grey images are repeated for a model of colour images; images in colour whose channels agree are grey.

    Args:
        names: paths of image files, of folders of them, or of `.npy` files of one or more examples.
        shape: shape of one example.
        image_size: height and width that the model's training data were resized to, as images are here;
            None where they were not.

    Returns:
        Examples [N, *shape] float32, images in [0, 1], and the names [N] of their files.

    Raises:
        UserError: a file that is not there, cannot be read, or is of another shape.
    """
    paths = [path for name in names for path in _find(name)]
    parts = [_read_file(path, shape, image_size) for path in paths]
    stems = [path.stem for path, part in zip(paths, parts, strict=True) for _ in part]
    return np.concatenate(parts), stems


def _find(name: str) -> list[pathlib.Path]:
    path = files.user_path(name)
    if path.is_dir():
        found = folders.find_images(path)
        if not found:
            raise UserError(f"{name}: a folder without images: give image files, or an .npy file")
        return found
    if not path.is_file():
        raise UserError(
            f"{name}: no such file: give image files, a folder of them, or an .npy file"
        )
    return [path]


def _read_file(path: pathlib.Path, shape: tuple[int, ...], image_size: int | None) -> np.ndarray:
    """The examples [N, *shape] of a file."""
    if path.suffix.lower() == ".npy":
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: more than 1 GiB: give fewer examples")
        return _take_array(numpy_files.read_npy(path, _MAX_BYTES), shape, str(path))
    if len(shape) != 3:
        raise UserError(
            f"{path}: the model takes {math.prod(shape)} numbers, not images: give an .npy file of floats "
            f"of shape {_text(('N', *shape))}"
        )
    return _take_image(folders.read_image(path, image_size), shape, str(path))


def _take_image(x: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An image [H, W, C] of bytes as an example [1, *shape]."""
    x = _with_channels(x, shape[-1], where)
    if x.shape != shape:
        raise UserError(
            f"{where}: is {x.shape[1]}x{x.shape[0]} pixels, the model takes {shape[1]}x{shape[0]}: "
            "crop and resize it first"
        )
    return _to_floats(x)[None]


def _with_channels(x: np.ndarray, channels: int, where: str) -> np.ndarray:
    if x.shape[-1] == channels:
        return x
    if x.shape[-1] == 1:
        return np.repeat(x, channels, axis=-1)
    if channels == 1 and (x == x[..., :1]).all():
        return x[..., :1]
    raise UserError(f"{where}: is in colour, the model takes grey images: convert it first")


def _take_array(x: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """An array of one or more examples as [N, *shape]."""
    # One channel may be left out.
    forms = [shape, shape[:-1]] if len(shape) == 3 and shape[-1] == 1 else [shape]
    if not x.size or not (x.shape in forms or x.shape[1:] in forms):
        raise UserError(
            f"{where} has shape {_text(x.shape)}: the model takes examples of shape {_text(shape)}, "
            f"expected that or {_text(('N', *shape))}"
        )
    x = x.reshape(-1, *shape)
    return _to_floats(pixels.check_pixels(x, where)) if len(shape) == 3 else _check_points(x, where)


def _check_points(x: np.ndarray, where: str) -> np.ndarray:
    if x.dtype.kind not in "iuf" or not np.isfinite(x).all():
        raise UserError(f"{where}: expected finite numbers, has {x.dtype}")
    return x.astype(np.float32)


def _to_floats(x: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1], as in training."""
    return x.astype(np.float32) / 255 if x.dtype == np.uint8 else x


def _text(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"
