"""CIFAR-10's two archives: the binary version, and pickled NumPy arrays ("python version")."""

import io
import pathlib
import pickle
import tarfile

import numpy as np

from tf_sintrovae.data import gzipped
from tf_sintrovae.errors import UserError

_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_PIXELS = 3 * 32 * 32
_NUM_CLASSES = 10

# All that NumPy's own pickles of a numerical array refer to, by old and new names.
_ADMITTED = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct",)
} | {("numpy", "ndarray"), ("numpy", "dtype")}

Split = tuple[np.ndarray, np.ndarray]


def read_binary(archive: pathlib.Path) -> tuple[Split, Split]:
    """Reads `cifar-10-binary.tar.gz`: records of a label byte and 3,072 bytes of pixels.

    Args:
        archive: path of the file.

    Returns:
        Training and test split, each x [N, 32, 32, 3] uint8 and y [N] uint8.

    Raises:
        UserError: damaged, or not this archive.
    """
    return _splits(archive, ".bin", _parse_binary)


def read_python(archive: pathlib.Path) -> tuple[Split, Split]:
    """Reads `cifar-10-python.tar.gz` without running anything that its pickles may ask for.

    Args:
        archive: path of the file.

    Returns:
        Training and test split, each x [N, 32, 32, 3] uint8 and y [N] uint8.

    Raises:
        UserError: damaged, not this archive, or a pickle of more than NumPy arrays.
    """
    return _splits(archive, "", _parse_python)


def _splits(archive: pathlib.Path, suffix: str, parse) -> tuple[Split, Split]:
    members = _members(archive)
    parsed = []
    for name in _BATCHES:
        if name + suffix not in members:
            raise UserError(f"{archive}: has no member {name + suffix}: not CIFAR-10, or damaged")
        where = f"{archive}: {name + suffix}"
        x, y = parse(where, members[name + suffix])
        if not (y.size and 0 <= y.min() <= y.max() < _NUM_CLASSES):
            raise UserError(f"{where}: labels {np.unique(y)}, expected 0 to {_NUM_CLASSES - 1}")
        parsed.append((x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), y))
    xs, ys = zip(*parsed[:-1], strict=True)
    return (np.concatenate(xs), np.concatenate(ys)), parsed[-1]


def _members(archive: pathlib.Path) -> dict[str, bytes]:
    """Content of the archive's regular files by name; nothing is written to disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzipped.read(archive)), mode="r:") as tar:
            files = [member for member in tar if member.isfile()]
            return {pathlib.PurePosixPath(f.name).name: tar.extractfile(f).read() for f in files}
    except tarfile.TarError as error:
        raise UserError(f"{archive}: damaged tar archive ({error}): get it again") from error


def _parse_binary(where: str, data: bytes) -> Split:
    if not data or len(data) % (1 + _PIXELS):
        raise UserError(
            f"{where}: {len(data)} bytes are not a whole number of records of {1 + _PIXELS}"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 1:], records[:, 0]


def _parse_python(where: str, data: bytes) -> Split:
    try:
        batch = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except Exception as error:  # damaged pickles raise almost anything
        raise UserError(f"{where}: damaged pickle ({error!r}): get it again") from error
    # Written by Python 2 the keys are bytes, written by Python 3 text.
    x, y = (_entry(batch, key) for key in ("data", "labels"))
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.shape[1:] != (_PIXELS,):
        raise UserError(f"{where}: expected 'data' of uint8 [N, {_PIXELS}]: not CIFAR-10")
    y = np.asarray(y)
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise UserError(
            f"{where}: labels of shape {y.shape} and dtype {y.dtype} for {len(x)} images"
        )
    return x, y


def _entry(batch, key: str):
    return batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None


class _ArrayUnpickler(pickle.Unpickler):
    """Admits NumPy arrays and plain values; a pickle could otherwise run any code."""

    def find_class(self, module: str, name: str):
        """Looks up only what an array needs."""
        if (module, name) not in _ADMITTED:
            raise UserError(f"its pickle asks for {module}.{name}, which a data set does not need")
        return super().find_class(module, name)
