"""A user's own image files in a folder, or in one sub-folder a class."""

import itertools
import pathlib
import warnings

import numpy as np
from PIL import Image, ImageOps

from tf_sintrovae.data.formats import images, sizes
from tf_sintrovae.errors import UserError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
# The formats of those names. Pillow knows others, of which some start programs to read a file.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
_GREY, _COLOUR = {"1", "L", "LA"}, {"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}


def read(
    folder: pathlib.Path, image_size: int | None, max_bytes: int
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Reads a folder of images, in the order of their names.

    Colour where any image is in colour, grey otherwise; transparency is dropped.

    Args:
        folder: path of the folder, which holds images, or one sub-folder of images for each class.
        image_size: height and width to bring every image to, by cropping the central square and
            resizing; None if they are all of one size.
        max_bytes: greatest size of the images in memory, together.

    Returns:
        Images x [N, H, W, C] uint8, labels y [N] (None without sub-folders) and the classes' names.

    Raises:
        UserError: there are no images, a corrupt one, various sizes without `image_size`, or too many.
    """
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and find_images(p))
    if not classes:
        return _read_all(folder, find_images(folder), image_size, max_bytes), None, ()
    if loose := find_images(folder):
        raise UserError(
            f"{loose[0]}: lies beside the class folders {', '.join(classes[:3])}: "
            "move it into one, or all images into one folder"
        )
    paths = [find_images(folder / name) for name in classes]
    y = np.repeat(np.arange(len(classes)), [len(p) for p in paths])
    x = _read_all(folder, list(itertools.chain(*paths)), image_size, max_bytes)
    return x, y, tuple(classes)


def find_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """Finds the image files of a folder, in the order of their names.

    Raises:
        UserError: one of them is a link to nothing.
    """
    files = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = sorted(path for path in files if path.suffix.lower() in _SUFFIXES)
    if lost := next((path for path in found if path.is_symlink() and not path.exists()), None):
        raise UserError(f"{lost}: is a link to a file that is not there: remove or mend it")
    return [path for path in found if path.is_file()]


def _read_all(
    folder: pathlib.Path, paths: list[pathlib.Path], image_size: int | None, max_bytes: int
) -> np.ndarray:
    if not paths:
        raise UserError(
            f"{folder}: holds no images: expected {', '.join(sorted(_SUFFIXES))} files, directly or "
            "in one sub-folder a class"
        )
    arrays, taken = [], 0
    for path in paths:
        arrays.append(read_image(path, image_size))
        taken += arrays[-1].nbytes
        sizes.require_within(taken, max_bytes, f"{folder}: what its images hold up to {path.name}")
    shapes = [array.shape[:2] for array in arrays]
    if odd := next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None):
        raise UserError(
            f"{paths[odd]}: is {_size(shapes[odd])} pixels, {paths[0].name} is {_size(shapes[0])}: "
            "give an image_size to bring all images to"
        )
    channels = max(array.shape[-1] for array in arrays)
    return np.stack([np.broadcast_to(a, (*a.shape[:2], channels)) for a in arrays])


def read_image(path: pathlib.Path, image_size: int | None = None) -> np.ndarray:
    """Reads one image [H, W, C] uint8, grey (C = 1) or in colour (C = 3); transparency is dropped.

    Args:
        path: path of the file.
        image_size: height and width to bring it to, by cropping the central square and resizing.

    Raises:
        UserError: it is no image, a corrupt one, or one of more than 8 bits a channel.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode in _GREY | _COLOUR:
                x = np.array(image.convert("L" if image.mode in _GREY else "RGB"))
            else:
                raise UserError(
                    f"{path}: has pixels of mode {image.mode}: expected 8 bits a channel"
                )
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UserError(
            f"{path}: claims to have more than {limit:,} pixels, which is refused: "
            "give smaller images"
        ) from error
    except Exception as error:  # a corrupt image raises almost anything
        raise UserError(f"{path}: not an image, or a corrupt one ({error})") from error
    x = x[..., None] if x.ndim == 2 else x
    return x if image_size is None else images.resize_batch(x, image_size).numpy()


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]}x{shape[0]}"
