"""Files of what a model generated: a picture, an array, a table, or a folder of images."""

import csv
import io
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import BinaryIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from tf_sintrovae import drawing, files, views
from tf_sintrovae.data import ranges
from tf_sintrovae.errors import UserError
from tf_sintrovae.generation.gallery import Gallery

# Pixels of an image's longer side in a picture, at least; smaller images are enlarged by whole factors.
_LEAST_SIDE = 64
_TITLE_WIDTH = 90
_MANY_POINTS = 500


def write(gallery: Gallery, path: pathlib.Path) -> pathlib.Path:
    """Writes a gallery in the form that the path's ending names, in one step.

    Args:
        gallery: what was generated.
        path: path of a `.png` file (a grid of images, or a drawing of points), of an `.npy` file (the
            examples [N, *shape]), of a `.csv` file (points, a row each), or of a new folder for an image
            file each (for points: `points.csv` and `points.png`).

    Returns:
        The path.

    Raises:
        UserError: a table of images is asked for, the folder holds something already, or nothing can be
            written there.
    """
    writer = {".png": _write_picture, ".npy": _write_array, ".csv": _write_table}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.get(path.suffix.lower(), _write_folder)(gallery, path)
    except OSError as error:
        raise UserError(
            f"output={path} cannot be written ({error.strerror}): give another"
        ) from error
    return path


def picture(gallery: Gallery) -> Image.Image:
    """Lays images in rows, each original above its reconstruction, titles at the left."""
    images = gallery.x
    if gallery.originals is not None:
        images = drawing.interleave(
            _fill_rows(gallery.originals, gallery.columns),
            _fill_rows(gallery.x, gallery.columns),
            gallery.columns,
        )
    scale = max(1, _LEAST_SIDE // max(images.shape[1:3]))
    enlarged = images.repeat(scale, axis=1).repeat(scale, axis=2)
    tiles = Image.fromarray(drawing.to_rgb(drawing.grid(enlarged, gallery.columns)))
    return _with_titles(tiles, gallery.titles) if gallery.titles else tiles


def point_figure(gallery: Gallery) -> Figure:
    """Draws points by group, on a plane that spans them; given points in grey."""
    shown = (
        gallery.x if gallery.originals is None else np.concatenate([gallery.originals, gallery.x])
    )
    view = _view(shown)
    size = 2.0 if len(gallery.x) > _MANY_POINTS else 12.0
    figure = drawing.scatter(view(gallery.x), gallery.groups, view.plot_range, size)
    if gallery.originals is not None:
        given = view(gallery.originals)
        figure.axes[0].scatter(given[:, 0], given[:, 1], color="0.7", s=size, zorder=0)
    return figure


def _is_image(x: np.ndarray) -> bool:
    """Whether examples [N, *shape] are grey images or images in colour."""
    return x.ndim == 4 and x.shape[-1] in (1, 3)


def _write_picture(gallery: Gallery, path: pathlib.Path) -> None:
    if _is_image(gallery.x):
        files.write_atomically(path, _png(picture(gallery)))
    else:
        files.write_atomically(path, FigureCanvasAgg(point_figure(gallery)).print_png)


def _write_array(gallery: Gallery, path: pathlib.Path) -> None:
    files.write_atomically(path, lambda file: np.save(file, gallery.x))


def _write_table(gallery: Gallery, path: pathlib.Path) -> None:
    if _is_image(gallery.x):
        raise UserError(
            f"output={path}: images have no table: give a .png, an .npy, or a new folder"
        )
    files.write_atomically(path, _table(gallery))


def _write_folder(gallery: Gallery, path: pathlib.Path) -> None:
    """Writes into a new folder, which appears when it is complete."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(
            f"output={path} is there and not an empty folder: give another, or remove it"
        )
    temporary = files.temporary_path(path)
    try:
        temporary.mkdir()
        _fill_folder(gallery, temporary)
        files.replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # of a failure


def _fill_folder(gallery: Gallery, folder: pathlib.Path) -> None:
    if not _is_image(gallery.x):
        _write_table(gallery, folder / "points.csv")
        _write_picture(gallery, folder / "points.png")
        return
    grey = gallery.x.shape[-1] == 1
    for name, image in zip(gallery.names, gallery.x, strict=True):
        pixels = drawing.to_rgb(image)
        Image.fromarray(pixels[..., 0] if grey else pixels).save(folder / f"{name}.png")


def _table(gallery: Gallery) -> str:
    """The points as CSV: their coordinates, and the component or row."""
    rows = gallery.x.reshape(len(gallery.x), -1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(f"x{i}" for i in range(rows.shape[1])), gallery.group_name])
    for row, group in zip(rows, gallery.groups, strict=True):
        writer.writerow([*(f"{value:.9g}" for value in row), int(group)])
    return text.getvalue()


def _view(x: np.ndarray) -> views.View:
    """The plane as it is, or the two principal axes of the points, over what they span."""
    centre, axes = views.principal_axes(x.reshape(len(x), -1))
    view = views.View(centre, axes, ranges.square(1.0))
    return views.View(centre, axes, ranges.fit(view(x)))


def _fill_rows(images: np.ndarray, columns: int) -> np.ndarray:
    """White images up to the end of the last row."""
    blank = np.ones((-len(images) % columns, *images.shape[1:]), images.dtype)
    return np.concatenate([images, blank])


def _with_titles(tiles: Image.Image, titles: Sequence[str]) -> Image.Image:
    """Adds a white margin at the left with a text for each row."""
    canvas = Image.new("RGB", (_TITLE_WIDTH + tiles.width, tiles.height), "white")
    canvas.paste(tiles, (_TITLE_WIDTH, 0))
    draw, height = ImageDraw.Draw(canvas), tiles.height / len(titles)
    for row, title in enumerate(titles):
        draw.text((6, (row + 0.5) * height - 6), title, fill="black")
    return canvas


def _png(image: Image.Image) -> Callable[[BinaryIO], None]:
    return lambda file: image.save(file, "PNG")
