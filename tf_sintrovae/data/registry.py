"""Names of data sets and their loaders.

The names are known without importing TensorFlow, so that flags are checked at once; a loader's
module is imported when its data set is first loaded.
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

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
_loaders: dict[str, Callable[["Options"], "Source"]] = {}


@dataclasses.dataclass(frozen=True)
class Options:
    """What a loader is told.

    Attributes:
        name: canonical name of the data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: of a train/test split that the data set does not bring along.
    """

    name: str
    data_dir: pathlib.Path | None = None
    image_size: int | None = None
    seed: int = 0


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
) -> "Source":
    """Loads a data set by name.

    Args:
        name: one of `names()`, an alias, or the name of a TFDS image data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: of a train/test split that the data set does not bring along.

    Returns:
        The data set.

    Raises:
        UserError: unknown name, or data that are missing or damaged.
    """
    folder = None if data_dir is None else pathlib.Path(data_dir).expanduser()
    options = Options(canonical(name), folder, image_size, seed)
    return _loader(options.name)(options)


def _loader(name: str) -> Callable[[Options], "Source"]:
    if name in _loaders:
        return _loaders[name]
    if name in _BUILT_IN:
        importlib.import_module(f"tf_sintrovae.data.{_BUILT_IN[name]}")
        return _loaders[name]
    # A name that nothing here bears may be known to TFDS.
    return importlib.import_module("tf_sintrovae.data.published").load
