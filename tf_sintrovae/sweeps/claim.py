"""Claims: a lock for each job in the shared folder, so that no two processes take one."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator
from typing import IO

from tf_sintrovae.errors import UserError


def claim(path: pathlib.Path) -> IO[str] | None:
    """Takes a lock.

    The operating system drops it when every process that has the file open has ended, however it did: a child
    that was given the file's descriptor keeps the lock when its parent is killed.

    Args:
        path: path of the lock's file, which stays for good: another may be waiting for it.

    Returns:
        The open file, which holds the lock; None where another process has it.

    Raises:
        UserError: the folder's file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "w")  # noqa: SIM115 (closing it gives the lock back)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError as error:
        file.close()
        raise _no_locks(path, error) from error
    return file


@contextlib.contextmanager
def turn(path: pathlib.Path) -> Iterator[None]:
    """Waits for a lock, and holds it for as long as the context lasts.

    Raises:
        UserError: the folder's file system has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise _no_locks(path, error) from error
        yield


def _no_locks(path: pathlib.Path, error: OSError) -> UserError:
    return UserError(
        f"{path} cannot be locked ({os.strerror(error.errno or 0)}): give a --folder on a file system that "
        "has locks"
    )
