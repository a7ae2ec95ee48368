"""Reading gzip files whole, with their checksum verified."""

import gzip
import io
import pathlib
import zlib

from tf_sintrovae.data.formats import sizes
from tf_sintrovae.errors import UserError

_CHUNK = 2**20


def read(path: pathlib.Path, max_bytes: int) -> bytes:
    """Reads the decompressed content of a gzip file.

    Reading to the very end is what makes gzip compare its checksum: a flipped bit does not pass.

    Args:
        path: path of the file.
        max_bytes: greatest size of its content; a small file can unpack to a thousand times its length.

    Returns:
        The content.

    Raises:
        UserError: the file is not a gzip file, truncated, damaged, or more than `max_bytes`.
    """
    content = io.BytesIO()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                content.write(chunk)
                sizes.require_within(content.tell(), max_bytes, f"{path}: its content")
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: not a gzip file, truncated or damaged ({error}): get it again"
        ) from error
    return content.getvalue()
