"""What a feature network is, and features extracted once."""

import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.progress import Track, untracked
from tf_sintrovae.files import write_atomically

_logger = logging.getLogger(__name__)
# Raise it when what is done to images before the networks changes, so that no stale features are read.
_VERSION = "2"


@dataclasses.dataclass(frozen=True)
class FeatureNetwork:
    """A fixed function of images; scores bear its name.

    Attributes:
        name: name of the network, which stands in the names of scores, as in `fid/inception-2015`.
        fingerprint: hash that tells networks apart whose features differ.
        extract: function from uint8 images [N, H, W, C] to features [N, D] float32.
        info: entries about it for the results (hash, accuracy).
        standardised_kernel: whether kernel distances standardise its features, whose own scale means
            nothing; the Inception networks' scale is the literature's.
    """

    name: str
    fingerprint: str
    extract: Callable[[np.ndarray], np.ndarray]
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    standardised_kernel: bool = False

    def features(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Extracts features [N, D] float32 of batches of images, uint8 or with pixels in [0, 1]."""
        extracted = [self.extract(to_uint8(batch)) for batch in batches]
        return np.concatenate(extracted).astype(np.float32, copy=False)


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Converts pixels in [0, 1] as they would be stored: `clip(255 x, 0, 255)`, truncated, as in the paper.

    Pixels that are bytes already stay as they are.
    """
    if x.dtype == np.uint8:
        return x
    return np.clip(255.0 * np.asarray(x, np.float32), 0.0, 255.0).astype(np.uint8)


def cached_features(
    network: FeatureNetwork,
    x: np.ndarray,
    cache_dir: pathlib.Path,
    batch_size: int = 500,
    track: Track = untracked,
) -> np.ndarray:
    """Extracts features of real data, or reads them from the cache where they were extracted before.

    The entry's name tells all that decides its content: the network and its fingerprint, the images, the
    precision. One that cannot be read, or does not hold such features, is made again.

    Args:
        network: feature network to look through.
        x: images [N, H, W, C], uint8 or with pixels in [0, 1].
        cache_dir: folder of the cache.
        batch_size: number of images in a batch of the extraction.
        track: function that passes items on and tells how many of a stage are done.

    Returns:
        Features [N, D] float32.

    Raises:
        UserError: the cache cannot be written.
    """
    key = digest(to_uint8(x), network.name, network.fingerprint, "float32", _VERSION)
    path = cache_dir / "features" / f"{network.name}-{len(x)}-{key}.npz"
    features = read_cache(path, lambda stored: _check_features(stored["features"], len(x)))
    if features is None:
        starts = range(0, len(x), batch_size)
        tracked = track(starts, "features of real images", len(starts))
        features = network.features(x[start : start + batch_size] for start in tracked)
        write_cache(path, lambda file: np.savez(file, features=features))
    return features


def _check_features(features: np.ndarray, count: int) -> np.ndarray:
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != count:
        raise ValueError(f"features of dtype {features.dtype} and shape {features.shape}")
    return features


def digest(*parts: np.ndarray | str | bytes) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of arrays (with their shapes) and strings."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).data)
        else:
            total.update(part.encode() if isinstance(part, str) else part)
    return total.hexdigest()[:16]


def read_cache(path: pathlib.Path, read: Callable[[Any], Any]) -> Any | None:
    """Reads an `.npz` file; returns None where there is none that can be read.

    Args:
        path: path of the file.
        read: function of the open file; any exception that it raises means that the entry is no good.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            return read(stored)
    except Exception as error:  # damaged archives raise whatever their bytes lead to
        _logger.info("%s cannot be read (%s): it is made again", path, type(error).__name__)
        return None


def write_cache(path: pathlib.Path, write: Callable[[Any], None]) -> None:
    """Writes a binary file that appears only when it is complete.

    Args:
        path: path of the file; its folder is made.
        write: function that writes to an open binary file.

    Raises:
        UserError: the path cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except OSError as error:
        raise UserError(
            f"cache {path.parent} cannot be written ({error.strerror}): give another with --cache_dir"
        ) from error
