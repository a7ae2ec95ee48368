"""Files and folders that are either the old or the new ones, whenever the process ends, and full disks."""

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import BinaryIO

from tf_sintrovae.errors import UserError

# What a file is made of: text, bytes, or a function that writes to an open binary file.
Content = str | bytes | Callable[[BinaryIO], None]

# What an operating system says when nothing more can be stored.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_FULL_TEXTS = tuple(os.strerror(number) for number in _FULL)


def user_path(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path that a user gave, `~` and `~name` replaced by folders where there are such users.

    `pathlib.Path.expanduser` raises where there are none: here the path stays as it is, for whoever opens it
    to say that it is not there.
    """
    try:
        return pathlib.Path(os.path.expanduser(path))
    except ValueError:  # a NUL in the name
        return pathlib.Path(path)


def write_atomically(path: str | os.PathLike[str], content: Content) -> None:
    """Writes a file that is either the old or the new one; what was begun is removed on failure.

    The content is on the disk before the new file takes the old one's name, so that a power failure leaves
    one of both as well.

    Args:
        path: path of the file.
        content: content of the file, text as UTF-8.

    Raises:
        OSError: the file cannot be written; it bears `path` as its file's name.
    """
    path = pathlib.Path(path)
    temporary = temporary_path(path)
    with _name_in_errors(path):
        try:
            with open(temporary, "wb") as file:
                _write(file, content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # moved, or never made
                temporary.unlink()


def temporary_path(path: pathlib.Path) -> pathlib.Path:
    """The name beside `path` under which this process makes what will replace it."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def replace_folder(new: pathlib.Path, path: pathlib.Path) -> None:
    """Moves a complete folder to `path`; what was there is removed afterwards.

    A process that is killed in between leaves the old folder beside, for `recover_folder` to put back.
    """
    old = _set_aside(path)
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(path, old)
    os.rename(new, path)
    shutil.rmtree(old, ignore_errors=True)


def find_interrupted(path: pathlib.Path) -> pathlib.Path | None:
    """The old folder that a killed `replace_folder` left beside `path`; None where `path` is there."""
    old = _set_aside(path)
    return old if old.exists() and not path.exists() else None


def recover_folder(path: pathlib.Path) -> None:
    """Puts back what a killed `replace_folder` set aside, and removes what such processes began."""
    old = _set_aside(path)
    if find_interrupted(path):
        os.rename(old, path)
    shutil.rmtree(old, ignore_errors=True)
    remove_leftovers(path.parent, path.name)


def remove_leftovers(folder: pathlib.Path, name: str = "*") -> None:
    """Removes temporary files and folders, for entries called `name`, of processes that have ended."""
    for path in folder.glob(f".{name}.*.tmp"):
        owner = path.name.rsplit(".", 2)[1]
        if owner.isdecimal() and not _is_running(int(owner)):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def full_disk_errors(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what a full disk raises, from Python or from TensorFlow, into a UserError.

    Args:
        place: path that is written to; an error that names its file itself is believed.

    Raises:
        UserError: no space left, too large a file, or a disk that cannot be written.
    """
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        path = getattr(error, "filename", None) or place
        raise UserError(
            f"{path} cannot be written: {reason.lower()}; what was complete before is kept; mend "
            "that, then give the same command again"
        ) from error


def _reason(error: Exception) -> str | None:
    """What the system said, if it was that nothing can be stored."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno in _FULL else None
    if not type(error).__module__.startswith("tensorflow"):
        return None
    return next((text for text in _FULL_TEXTS if text in str(error)), None)


def _write(file: BinaryIO, content: Content) -> None:
    if callable(content):
        content(file)
    else:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def _name_in_errors(path: pathlib.Path) -> Iterator[None]:
    """Gives errors the name of the file, which writing and closing leave out."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _set_aside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.old")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return process != os.getpid()
