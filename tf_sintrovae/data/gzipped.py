"""Reading gzip files whole, with their checksum verified."""

import gzip
import pathlib
import zlib

from tf_sintrovae.errors import UserError


def read(path: pathlib.Path) -> bytes:
    """The decompressed content of a gzip file.

    Reading to the very end is what makes gzip compare its checksum: a flipped bit does not pass.

    Args:
        path: of the file.

    Returns:
        Its content.

    Raises:
        UserError: not a gzip file, truncated, or damaged.
    """
    try:
        with gzip.open(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: not a gzip file, truncated or damaged ({error}): get it again"
        ) from error
