"""Data sets that packages of the operating system install, for all its users."""

import os
import pathlib

# Where such packages put their files, unless the environment says otherwise (XDG Base Directory
# Specification).
_SHARED_DIRS = "/usr/local/share:/usr/share"
# Packages of Debian and its derivatives, by the canonical name of the data set.
_DEBIAN_PACKAGES = {"fashion_mnist": "dataset-fashion-mnist"}


def folders(name: str) -> tuple[pathlib.Path, ...]:
    """Lists where the system would have a data set's files, such as `/usr/share/datasets/fashion-mnist`.

    Args:
        name: canonical name of the data set.

    Returns:
        The folder `datasets/NAME` in each folder of `$XDG_DATA_DIRS`, in its order, whether it exists or not.
    """
    shared = map(pathlib.Path, (os.environ.get("XDG_DATA_DIRS") or _SHARED_DIRS).split(":"))
    # The specification has relative paths ignored.
    return tuple(d / "datasets" / name.replace("_", "-") for d in shared if d.is_absolute())


def describe_install(name: str) -> str | None:
    """Tells in words how the system's package of a data set is installed; None where none is known.

    Args:
        name: canonical name of the data set.
    """
    package = _DEBIAN_PACKAGES.get(name)
    return package and f"apt-get install {package}"
