"""What a feature network is, and features extracted once."""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tf_sintrovae.errors import UserError


@dataclasses.dataclass(frozen=True)
class FeatureNetwork:
    """A fixed function of images; scores bear its name.

    Attributes:
        name: in the names of scores, as in `fid/inception-2015`.
        fingerprint: tells networks apart whose features differ.
        extract: uint8 images [N, H, W, C] -> features [N, D] float32.
        info: what the results say about it (hash, accuracy).
    """

    name: str
    fingerprint: str
    extract: Callable[[np.ndarray], np.ndarray]
    info: dict[str, Any] = dataclasses.field(default_factory=dict)

    def features(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        """Features [N, D] of images that arrive in batches with pixels in [0, 1]."""
        return np.concatenate([self.extract(to_uint8(batch)) for batch in batches])


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] as they would be stored: `clip(255 x, 0, 255)`, truncated, as in the paper."""
    return np.clip(255.0 * np.asarray(x, np.float32), 0.0, 255.0).astype(np.uint8)


def cached_features(
    network: FeatureNetwork, x: np.ndarray, cache_dir: pathlib.Path, batch_size: int = 500
) -> np.ndarray:
    """Features of real data [N, H, W, C], read from the cache where they were extracted before.

    Raises:
        UserError: the cache cannot be written.
    """
    path = cache_dir / "features" / f"{digest(x)}-{network.fingerprint}.npy"
    if path.is_file():
        return np.load(path)
    features = network.features(
        x[start : start + batch_size] for start in range(0, len(x), batch_size)
    )
    write_cache(path, lambda file: np.save(file, features))
    return features


def digest(*parts: np.ndarray | str | bytes) -> str:
    """16 hexadecimal digits of the SHA-256 of arrays (with their shapes) and strings."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype}{part.shape}".encode())
            part = np.ascontiguousarray(part).data
        total.update(part.encode() if isinstance(part, str) else part)
    return total.hexdigest()[:16]


def write_cache(path: pathlib.Path, write: Callable[[Any], None]) -> None:
    """Writes a binary file that appears only when it is complete.

    Args:
        path: of the file; its folder is made.
        write: writes to an open binary file.

    Raises:
        UserError: the path cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"cache {path.parent} cannot be written ({error.strerror}): give another with --cache_dir"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # gone already, or never made
            temporary.unlink()
