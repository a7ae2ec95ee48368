"""Published image data sets: prepared by TFDS, in their original archives, the system's, or downloaded."""

import difflib
import logging
import pathlib

import tensorflow_datasets as tfds

from tf_sintrovae.data import names, packaged
from tf_sintrovae.data.formats import archives, images, prepared
from tf_sintrovae.data.loader_options import LoaderOptions
from tf_sintrovae.data.source import Source
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")

_DIGITS = tuple("0123456789")
_CLASS_NAMES = {
    "mnist": _DIGITS,
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    "svhn_cropped": _DIGITS,
}


def load(options: LoaderOptions) -> Source:
    """Loads a data set that TFDS knows, from the first place that has it.

    The order: prepared TFDS data in `data_dir`, original archives directly in it, archives in
    `data_dir/NAME`, archives that a package of the system installed, download by TFDS into `data_dir`.
    The log names the place used.

    Args:
        options: options of the loader; `data_dir` defaults to TFDS's own folder.

    Returns:
        The data set.

    Raises:
        UserError: the name is unknown, files are damaged, or nothing is there and cannot be downloaded.
    """
    name, folder = options.name, options.data_dir or prepared.default_dir()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"data_dir={folder} is a file: give the folder that holds it")
    if builder := prepared.find(name, folder):
        _logger.info("%s: data prepared by TFDS in %s", name, builder.data_path)
        return prepared.source(name, builder, options.image_size)
    places = [folder, *(folder / spelling for spelling in names.spellings(name))]
    system = list(packaged.folders(name)) if name in archives.ARCHIVES else []
    # Apart, for an incomplete folder of the user's is told, not passed over for the system's.
    if found := archives.find(name, places) or archives.find(name, system):
        return _load_archive(options, *found)
    looked = " or ".join(map(str, (folder, *system)))
    _logger.info("%s: not in %s, asking TFDS to download it", name, looked)
    return prepared.source(name, _download(name, folder), options.image_size)


def _load_archive(
    options: LoaderOptions, archive: archives.Archive, folder: pathlib.Path
) -> ArraySource:
    name = options.name
    _logger.info("%s: original archives %s in %s", name, ", ".join(archive.sha256), folder)
    x_train, y_train, x_test, y_test = archives.read(name, archive, folder, options.max_bytes)
    x_train, x_test = (images.resize(x, options.image_size) for x in (x_train, x_test))
    return ArraySource(name, x_train, y_train, x_test, y_test, _CLASS_NAMES[name])


def _download(name: str, folder: pathlib.Path) -> tfds.core.DatasetBuilder:
    try:
        builder = prepared.download(name, folder)
    except UserError as error:
        raise UserError(f"{error} and {_advise(name, folder)}") from error
    if builder is None:
        near = difflib.get_close_matches(name, names.names(), n=1)
        raise UserError(
            f"dataset {name!r} is unknown{f', perhaps {near[0]} is meant' if near else ''}: choose "
            f"one of {', '.join(names.names())}, or the name of a TFDS image data set"
        )
    return builder


def _advise(name: str, folder: pathlib.Path) -> str:
    there = f"is not in {folder}" if folder.is_dir() else f"there is no folder {folder}"
    install = packaged.describe_install(name)
    package = f"on Debian or Ubuntu, {install}; elsewhere, " if install else ""
    files = archives.describe(name)
    original = f", or its original files ({files}) there or in {folder / name}" if files else ""
    return (
        f"{there}: {package}put TFDS's prepared folder {name}/ there{original}; "
        "docs/data.md tells more"
    )
