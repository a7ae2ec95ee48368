"""A small file system of its own, to be filled."""

import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest


def mounted(folder: pathlib.Path, megabytes: int) -> Iterator[pathlib.Path]:
    """Mounts so many MiB at `folder`, a new one, and gives them back; skips where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: pathlib.Path) -> None:
    """Leaves no space in the file system of `folder`."""
    with pytest.raises(OSError, match="No space left"), open(folder / "ballast", "wb") as file:
        while True:
            os.write(file.fileno(), bytes(4096))


def empty(folder: pathlib.Path) -> None:
    """Gives the space back that `fill` took."""
    (folder / "ballast").unlink()
