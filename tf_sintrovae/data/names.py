"""Names of data sets and their aliases, known without TensorFlow, so that flags are checked at once."""

# The package's own data sets: name -> module of `loaders` whose `load` makes it.
LOADER_MODULES = {
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
_added: dict[str, None] = {}


def add(name: str, *aliases: str) -> None:
    """Makes a further name known, with its aliases."""
    _added[name] = None
    _aliases.update(dict.fromkeys(aliases, name))


def names() -> tuple[str, ...]:
    """Canonical names of all known data sets (TFDS knows more)."""
    return tuple(dict.fromkeys((*LOADER_MODULES, *_added)))


def canonical(name: str) -> str:
    """Returns the name behind an alias, and any other name as it is.

    Args:
        name: name of a data set, as a flag gives it.

    Returns:
        The canonical name. One that is not among `names()` may still be a TFDS data set.
    """
    return _aliases.get(name, name)


def spellings(name: str) -> tuple[str, ...]:
    """A canonical name and its aliases."""
    return (name, *(alias for alias, meant in _aliases.items() if meant == name))
