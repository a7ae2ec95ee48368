"""The problems on which kernels are measured, and how far from float64 results are; NumPy alone."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.hlo import arrays
from benchmarks.hlo.cost import mixture_flops

NAMES = ("z", "loc", "logvar", "logits")
_ROWS = 256  # samples whose log-density and gradient are compared


class Size(NamedTuple):
    """The size of a problem: K components of L dimensions, N samples."""

    K: int
    L: int
    N: int

    @property
    def name(self) -> str:
        """Its name in files and tables."""
        return f"{self.K}x{self.L}x{self.N}"

    @property
    def flops(self) -> float:
        """Operations that the density and all its gradients take at least."""
        return mixture_flops(*self)


SIZES = (
    Size(100, 32, 12_800),
    Size(100, 128, 3_200),
    Size(64, 2, 51_200),
    Size(100_000, 32, 4_096),
    Size(1_024, 128, 1_000_000),
)


def parse_size(text: str) -> Size:
    """The size of a name."""
    return Size(*map(int, text.split("x")))


def problem(size: Size) -> tuple[np.ndarray, ...]:
    """z [N, L], loc [K, L], logvar [K, L] and logits [K]: float32 from standard normals."""
    rng = np.random.default_rng(0)
    shapes = (size.N, size.L), (size.K, size.L), (size.K, size.L), (size.K,)
    z, loc, logvar, logits = (rng.standard_normal(shape, np.float32) for shape in shapes)
    return z, loc, np.float32(0.3) * logvar, logits


def compared_rows(size: Size) -> np.ndarray:
    """Numbers of the samples that are compared."""
    return np.arange(0, size.N, max(1, size.N // _ROWS))[:_ROWS]


class Reference:
    """Results in float64, kept in a file for processes that measure other ways.

    Args:
        folder: folder of the files.
        size: size of the problem.
    """

    def __init__(self, folder: pathlib.Path, size: Size):
        self._path = folder / f"reference_{size.name}.npz"
        self._rows = compared_rows(size)

    def exists(self) -> bool:
        """Whether there is one."""
        return self._path.exists()

    def write(self, results: Sequence[np.ndarray]) -> None:
        """Keeps log-density and gradients, the first two of the compared rows alone."""
        arrays.write_arrays(self._path, {str(i): value for i, value in enumerate(results)})

    def errors(self, results: Sequence[np.ndarray]) -> dict[str, float]:
        """Largest error of a log-density, and largest relative error of a gradient.

        Args:
            results: log-density [N], and gradients at z, loc, logvar and logits.
        """
        kept = arrays.read_arrays(self._path)
        density, *gradients = (kept[str(i)] for i in range(len(kept)))
        found_density, grad_z, *others = (np.asarray(value, np.float64) for value in results)
        found = [grad_z[self._rows], *others]
        relative = [
            float(np.linalg.norm(a - b) / np.linalg.norm(b))
            for a, b in zip(found, gradients, strict=True)
        ]
        error = float(np.max(np.abs(found_density[self._rows] - density)))
        return {"error nats": error, "gradient error": max(relative)}
