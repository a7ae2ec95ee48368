"""NumPy's `.npy` and `.npz` files, read without trusting what they say of themselves.

A header may claim any size, and an archive may unpack to more than memory holds: both are compared with the
file's length and with a limit before anything is read. Pickled Python objects, which could run any code, are
never opened.
"""

import pathlib
import zipfile
from typing import IO, Self

import numpy as np

from tf_sintrovae.data.formats import sizes
from tf_sintrovae.errors import UserError

_PICKLE = b"\x80"
_NUMBERS_AND_TEXT = "biufcU"
# What deflate can pack into one byte at most.
_MOST_DEFLATED = 1032
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    # As 2.0, but for the names of fields, which are refused.
    (3, 0): np.lib.format.read_array_header_2_0,
}


def read_npy(path: pathlib.Path, max_bytes: int) -> np.ndarray:
    """Reads an `.npy` file.

    Args:
        path: path of the file.
        max_bytes: greatest size of the array in memory.

    Returns:
        An array of numbers or text.

    Raises:
        UserError: it is no such file, damaged, too big, or of Python objects.
    """
    try:
        with path.open("rb") as file:
            return _read_array(file, path.stat().st_size, max_bytes, str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


class NpzFile:
    """An `.npz` file, open for reading: a context manager.

    Args:
        path: path of the file.
        max_bytes: greatest size in memory of all arrays that are read from it, together.

    Raises:
        UserError: it is no such file, or damaged.
    """

    def __init__(self, path: pathlib.Path, max_bytes: int):
        self._path = path
        self._left = max_bytes
        _refuse_other_content(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # a damaged directory raises almost anything
            raise UserError(
                f"{path}: damaged, or not an .npz file ({_reason(error)}): save it again"
            ) from error
        self._members = {info.filename.removesuffix(".npy"): info for info in self._zip.infolist()}
        for info in self._members.values():
            _refuse_way_out(path, info.filename)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return sorted(self._members)

    def __getitem__(self, name: str) -> np.ndarray:
        """Reads an array.

        Raises:
            UserError: the array is damaged, encrypted, too big, or of Python objects.
        """
        info, where = self._members[name], f"{self._path}: array {name!r}"
        self._check(info, where)
        self._left -= info.file_size
        try:
            with self._zip.open(info) as file:
                x = _read_array(file, info.file_size, info.file_size, where)
                file.read()  # to the very end, where the checksum is compared
                return x
        except UserError:
            raise
        except Exception as error:  # damaged compression raises almost anything
            raise UserError(f"{where} is damaged ({_reason(error)}): save it again") from error

    def _check(self, info: zipfile.ZipInfo, where: str) -> None:
        if info.flag_bits & 1:
            raise UserError(f"{where} is encrypted: save it without a password")
        sizes.require_within(info.file_size, self._left, where)
        most = {
            zipfile.ZIP_STORED: info.compress_size,
            zipfile.ZIP_DEFLATED: _MOST_DEFLATED * (info.compress_size + 1),
        }
        length = self._path.stat().st_size
        if info.compress_size > length or info.file_size > most.get(info.compress_type, np.inf):
            raise UserError(
                f"{where} is damaged: it claims {info.file_size} bytes, packed into "
                f"{info.compress_size}, in a file of {length}: save it again"
            )


def _refuse_way_out(path: pathlib.Path, member: str) -> None:
    inside = pathlib.PurePosixPath(member)
    if inside.is_absolute() or ".." in inside.parts:
        raise UserError(
            f"{path}: member {member[:100]!r} leads out of the archive, which is refused: save it again"
        )


def _refuse_other_content(path: pathlib.Path) -> None:
    """Tells pickles and `.npy` files by their first bytes: they deserve a better reason than damage."""
    try:
        with path.open("rb") as file:
            start = file.read(len(np.lib.format.MAGIC_PREFIX))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if start == np.lib.format.MAGIC_PREFIX:
        raise UserError(f"{path}: the content is not what .npz promises but .npy: rename it")
    _refuse_pickle(start, str(path))


def _refuse_pickle(start: bytes, where: str) -> None:
    if start.startswith(_PICKLE):
        raise UserError(
            f"{where}: damaged, or a pickle, which is refused because opening it could run any code: "
            "save arrays of numbers with numpy.save or numpy.savez"
        )


def _read_array(file: IO[bytes], length: int, max_bytes: int, where: str) -> np.ndarray:
    """The array of a stream that holds `length` bytes in all."""
    shape, dtype = _header(file, where)
    if dtype.hasobject:
        raise UserError(
            f"{where} holds Python objects, which are refused because opening them could run any code: "
            "save numbers (ragged lists become objects: give all examples one shape)"
        )
    if dtype.kind not in _NUMBERS_AND_TEXT or not dtype.itemsize:
        raise UserError(f"{where} has dtype {str(dtype)[:60]}: expected numbers")
    claimed, left = int(np.prod(shape, dtype=object)) * dtype.itemsize, length - file.tell()
    if claimed != left:
        raise UserError(
            f"{where} is damaged: its header promises {claimed} bytes of data, there are {left}: "
            "save it again"
        )
    sizes.require_within(claimed, max_bytes, where)
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, MemoryError) as error:
        raise UserError(f"{where} is damaged or too big ({_reason(error)})") from error


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype]:
    start = file.read(len(np.lib.format.MAGIC_PREFIX))
    file.seek(0)
    if start[:2] == b"PK":
        raise UserError(f"{where}: the content is not what .npy promises but .npz: rename it")
    _refuse_pickle(start, where)
    try:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        if all(size >= 0 for size in shape):
            return shape, dtype
        reason = f"shape {shape}"
    except Exception as error:  # a damaged header raises almost anything
        reason = type(error).__name__
    raise UserError(f"{where}: damaged, or not an array of NumPy ({reason} in its header)")


def _reason(error: Exception) -> str:
    """What went wrong, without the advice that NumPy gives to those who trust a file."""
    text = " ".join(str(error).split())
    return text[:100] if text and "pickle" not in text else type(error).__name__
