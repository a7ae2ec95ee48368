"""CIFAR-10's two archives: the binary version, and pickled NumPy arrays ("python version")."""

import io
import pathlib
import pickle
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tf_sintrovae.data.formats import gzipped, sizes
from tf_sintrovae.data.formats.splits import LabelledImages
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


def read_binary(archive: pathlib.Path, max_bytes: int) -> tuple[LabelledImages, LabelledImages]:
    """Reads `cifar-10-binary.tar.gz`: records of a label byte and 3,072 bytes of pixels.

    Args:
        archive: path of the file.
        max_bytes: greatest number of bytes that it may unpack to.

    Returns:
        Training and test split, each images x [N, 32, 32, 3] uint8 and labels y [N] uint8.

    Raises:
        UserError: the file is damaged, not this archive, or too big.
    """
    return _splits(archive, max_bytes, ".bin", _parse_binary)


def read_python(archive: pathlib.Path, max_bytes: int) -> tuple[LabelledImages, LabelledImages]:
    """Reads `cifar-10-python.tar.gz` without running anything that its pickles may ask for.

    Arguments, results and errors are those of `read_binary`; a pickle of more than NumPy arrays is one more.
    """
    return _splits(archive, max_bytes, "", _parse_python)


def _splits(
    archive: pathlib.Path,
    max_bytes: int,
    suffix: str,
    parse: Callable[[str, bytes], LabelledImages],
) -> tuple[LabelledImages, LabelledImages]:
    members = _members(archive, max_bytes)
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


def _members(archive: pathlib.Path, max_bytes: int) -> dict[str, bytes]:
    """Content of the archive's regular files by name; nothing is written to disk."""
    unpacked = io.BytesIO(gzipped.read(archive, max_bytes))
    try:
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            return {
                pathlib.PurePosixPath(file.name).name: content.read()
                for file in _regular_files(archive, tar, max_bytes)
                if (content := tar.extractfile(file)) is not None  # never, of regular files
            }
    except UserError:
        raise
    except Exception as error:  # a damaged archive raises almost anything
        raise UserError(f"{archive}: damaged tar archive ({error}): get it again") from error


def _regular_files(
    archive: pathlib.Path, tar: tarfile.TarFile, max_bytes: int
) -> Iterator[tarfile.TarInfo]:
    """The regular files; what the published archives never hold is refused, though nothing is unpacked."""
    left = max_bytes
    for member in tar:
        name = repr(member.name[:100])
        path = pathlib.PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{archive}: member {name} leads out of the archive, which is refused")
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise UserError(
                f"{archive}: member {name} is a link or no plain file, which is refused"
            )
        sizes.require_within(member.size, left, f"{archive}: member {name}")
        left -= member.size
        if member.isreg():
            yield member


def _parse_binary(where: str, data: bytes) -> LabelledImages:
    if not data or len(data) % (1 + _PIXELS):
        raise UserError(
            f"{where}: {len(data)} bytes are not a whole number of records of {1 + _PIXELS}"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 1:], records[:, 0]


def _parse_python(where: str, data: bytes) -> LabelledImages:
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
    if x.nbytes > len(data):
        raise UserError(f"{where}: 'data' claims {x.nbytes} bytes in a pickle of {len(data)}")
    return x, _labels(where, y, len(x))


def _labels(where: str, y: Any, count: int) -> np.ndarray:
    """The labels, a list of integers or an array, as an array; nested lists could grow without bounds."""
    if isinstance(y, list) and not all(isinstance(label, int) for label in y):
        raise UserError(f"{where}: labels that are not all integers")
    y = np.asarray(y)
    if y.shape != (count,) or not np.issubdtype(y.dtype, np.integer):
        raise UserError(
            f"{where}: labels of shape {y.shape} and dtype {y.dtype} for {count} images"
        )
    return y


def _entry(batch: Any, key: str) -> Any:
    return batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None


class _ArrayUnpickler(pickle.Unpickler):
    """Admits NumPy arrays and plain values; a pickle could otherwise run any code."""

    def find_class(self, module: str, name: str) -> Any:
        """Looks up only what an array needs."""
        if (module, name) not in _ADMITTED:
            raise UserError(f"its pickle asks for {module}.{name}, which a data set does not need")
        return super().find_class(module, name)
