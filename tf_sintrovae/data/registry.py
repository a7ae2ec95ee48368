"""Loaders of data sets by name; a loader's module is imported when its data set is first loaded."""

import importlib
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tf_sintrovae.data import names
from tf_sintrovae.data.loader_options import MAX_DATA_GIB, LoaderOptions
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path

if TYPE_CHECKING:
    from tf_sintrovae.data.source import Source

Loader = Callable[[LoaderOptions], "Source"]

# Seeds are half of a 64-bit key, whose sign is free for other uses.
_SEEDS = 2**63
_added: dict[str, Loader] = {}


def register(name: str, *aliases: str) -> Callable[[Loader], Loader]:
    """Makes the decorated loader `f(options: LoaderOptions) -> Source` available under `name`.

    Args:
        name: name of the data set, as flags and results give it.
        *aliases: further names of the same data set, for flags.

    Returns:
        A decorator that returns the loader unchanged.
    """

    def decorate(loader: Loader) -> Loader:
        _added[name] = loader
        names.add(name, *aliases)
        return loader

    return decorate


def load(
    name: str,
    data_dir: str | pathlib.Path | None = None,
    image_size: int | None = None,
    seed: int = 0,
    max_data_gib: float = MAX_DATA_GIB,
) -> "Source":
    """Loads a data set by name.

    Args:
        name: name of the data set: one of `names.names()`, an alias, or the name of a TFDS image data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: seed of a train/test split that the data set does not bring along.
        max_data_gib: greatest size of a user's files and archives once unpacked, in GiB; larger ones are
            refused.

    Returns:
        The data set.

    Raises:
        UserError: unknown name, or data that are missing or damaged.
    """
    if not 0 <= seed < _SEEDS:
        raise UserError(f"seed={seed}: expected a whole number from 0 to 2^63 - 1")
    options = LoaderOptions(names.canonical(name), _path(data_dir), image_size, seed, max_data_gib)
    return _find_loader(options.name)(options)


def _path(data_dir: str | pathlib.Path | None) -> pathlib.Path | None:
    """The path, its `~` expanded, if the operating system can look it up."""
    if data_dir is None:
        return None
    try:
        path = user_path(data_dir)
        path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"data_dir={str(data_dir)[:200]!r} cannot be used ({reason})") from error
    return path


def _find_loader(name: str) -> Loader:
    if name in _added:
        return _added[name]
    # A name that nothing here bears may be known to TFDS.
    module = names.LOADER_MODULES.get(name, "published")
    return importlib.import_module(f"tf_sintrovae.data.loaders.{module}").load
