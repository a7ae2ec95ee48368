"""Names of data sets and their loaders.

The names are known without importing TensorFlow, so that flags are checked at once; a loader's
module is imported when its data set is first loaded.
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tf_sintrovae.errors import UserError

if TYPE_CHECKING:
    from tf_sintrovae.data.source import Source

# The package's own loaders: name -> module that registers it.
_BUILT_IN = {
    "8gaussians": "densities",
    "spiral": "densities",
    "checkerboard": "densities",
    "rings": "densities",
    "digits": "digits",
    "patches": "patches",
    "mnist": "published",
    "fashion_mnist": "published",
    "cifar10": "published",
    "svhn_cropped": "published",
    "files": "files",
}
_aliases = {"fmnist": "fashion_mnist"}
# Seeds are half of a 64-bit key, whose sign is free for other uses.
_SEEDS = 2**63
# GiB that data files may take in memory, unless the user allows more.
MAX_DATA_GIB = 8.0
_loaders: dict[str, Callable[["Options"], "Source"]] = {}


@dataclasses.dataclass(frozen=True)
class Options:
    """What a loader is told.

    Attributes:
        name: canonical name of the data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: seed of a train/test split that the data set does not bring along.
        max_data_gib: files that claim more than this, unpacked, are refused.
    """

    name: str
    data_dir: pathlib.Path | None = None
    image_size: int | None = None
    seed: int = 0
    max_data_gib: float = MAX_DATA_GIB

    @property
    def max_bytes(self) -> int:
        """`max_data_gib` in bytes."""
        return int(self.max_data_gib * 2**30)


def register(name: str, *aliases: str):
    """Makes the decorated loader `f(options: Options) -> Source` available under `name`.

    Args:
        name: the flag value, also the name of the data set in results.
        *aliases: further flag values that mean the same.

    Returns:
        A decorator that returns the loader unchanged.
    """

    def decorate(loader):
        _loaders[name] = loader
        _aliases.update(dict.fromkeys(aliases, name))
        return loader

    return decorate


def names() -> tuple[str, ...]:
    """Canonical names of all known data sets (TFDS knows more)."""
    return tuple(dict.fromkeys((*_BUILT_IN, *_loaders)))


def canonical(name: str) -> str:
    """The name behind an alias; any other name is returned as it is.

    Args:
        name: a flag value.

    Returns:
        The canonical name. One that is not among `names()` may still be a TFDS data set.
    """
    return _aliases.get(name, name)


def spellings(name: str) -> tuple[str, ...]:
    """A canonical name and its aliases."""
    return (name, *(alias for alias, meant in _aliases.items() if meant == name))


def load(
    name: str,
    data_dir: str | pathlib.Path | None = None,
    image_size: int | None = None,
    seed: int = 0,
    max_data_gib: float = MAX_DATA_GIB,
) -> "Source":
    """Loads a data set by name.

    Args:
        name: one of `names()`, an alias, or the name of a TFDS image data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: seed of a train/test split that the data set does not bring along.
        max_data_gib: files of one's own and archives that claim more than this, unpacked, are refused.

    Returns:
        The data set.

    Raises:
        UserError: unknown name, or data that are missing or damaged.
    """
    if not 0 <= seed < _SEEDS:
        raise UserError(f"seed={seed}: expected a whole number from 0 to 2^63 - 1")
    options = Options(canonical(name), _path(data_dir), image_size, seed, max_data_gib)
    return _loader(options.name)(options)


def _path(data_dir: str | pathlib.Path | None) -> pathlib.Path | None:
    """The path, its `~` expanded, if the operating system can look it up."""
    if data_dir is None:
        return None
    try:
        path = pathlib.Path(data_dir).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"data_dir={str(data_dir)[:200]!r} cannot be used ({reason})") from error
    return path


def _loader(name: str) -> Callable[[Options], "Source"]:
    if name in _loaders:
        return _loaders[name]
    if name in _BUILT_IN:
        importlib.import_module(f"tf_sintrovae.data.{_BUILT_IN[name]}")
        return _loaders[name]
    # A name that nothing here bears may be known to TFDS.
    return importlib.import_module("tf_sintrovae.data.published").load
