"""The four plane densities of the paper's 2D experiments, as endless seeded streams."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_sintrovae.data import ranges
from tf_sintrovae.data.loader_options import LoaderOptions
from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.data.sources import pipelines
from tf_sintrovae.errors import UserError

_STEPS_PER_EPOCH = 100
_NUM_EXAMPLES = 5000
_FINGERPRINT_EXAMPLES = 64
# Training batches use the steps 0, 1, ... as second half of the seed; evaluation must not share them.
_SPLIT_STEP = {"train": -1, "test": -2}

_ANGLES = 2 * np.pi * np.arange(8) / 8
_CENTRES = (2 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], -1) / 1.414).astype(np.float32)
_RADII = np.array([3.0, 2.25, 1.5, 0.75], np.float32)  # (1, .75, .5, .25) times 3


class DensitySource(Source):
    """Endless samples of a density on the plane, `[B, 2]`.

    Attributes:
        plot_range: the square that the paper's figures and histograms span.
        centres: [8, 2] centres of the modes of `8gaussians`; None for the others.
        radii: [4] radii of `rings`; None for the others.
    """

    shape = (2,)
    num_train = None

    def __init__(self, density: "_Density"):
        self.name = density.name
        self.class_names = density.class_names
        self.num_classes = len(density.class_names)
        self.plot_range = ranges.square(density.limit)
        self.centres = density.centres
        self.radii = density.radii
        self._draw = density.draw

    def steps_per_epoch(self, batch_size: int) -> int:
        """See `Source`."""
        return _STEPS_PER_EPOCH

    def train_batches(
        self, batch_size: int, seed: int, start_step: int = 0, num_shards: int = 1, shard: int = 0
    ) -> tf.data.Dataset:
        """See `Source`."""
        mine = pipelines.shard_rows(batch_size, num_shards, shard)

        def batch(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            x, y = self._draw(tf.stack([tf.constant(seed, tf.int64), step]), batch_size)
            return x[mine], y[mine]

        return pipelines.finish(tf.data.Dataset.range(start_step, pipelines.LAST), batch)

    def examples(self, split: str, limit: int | None = None, seed: int = 0) -> Examples:
        """See `Source`."""
        key = tf.constant([seed, _SPLIT_STEP[split]], tf.int64)
        x, y = self._draw(key, _NUM_EXAMPLES if limit is None else limit)
        return Examples(x.numpy(), y.numpy())

    def _fingerprint_examples(self) -> Examples:
        """See `Source`; rounded, for the last digits of cosines differ from one processor to another."""
        x, y = self.examples("train", _FINGERPRINT_EXAMPLES)
        return Examples(np.round(x, 2) + 0.0, y)  # + 0.0: no -0.0


@dataclasses.dataclass(frozen=True)
class _Density:
    """A density: `draw(seed [2], n) -> (x [n, 2] float32, y [n] int32)` and what figures need."""

    name: str
    draw: Callable[[tf.Tensor, int], tuple[tf.Tensor, tf.Tensor]]
    limit: float
    class_names: tuple[str, ...]
    centres: np.ndarray | None = None
    radii: np.ndarray | None = None


def _draw_8gaussians(seed: tf.Tensor, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    which, noise = _split(seed, 2)
    y = _integers(which, n, 8)
    return tf.gather(_CENTRES, y) + 0.02 / 1.414 * _normal(noise, [n, 2]), y


def _draw_spiral(seed: tf.Tensor, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    along, across, noise = _split(seed, 3)
    half = (n + 1) // 2
    t = tf.sqrt(_uniform(along, [half])) * (540 * 2 * np.pi / 360)
    arm = tf.stack([-tf.cos(t), tf.sin(t)], -1) * t[:, None] + _uniform(across, [half, 2]) / 2
    both = tf.reshape(tf.stack([arm, -arm], 1), [-1, 2])[:n]  # [n, 2], the arms in turn
    return both / 3 + 0.1 * _normal(noise, [n, 2]), tf.range(n) % 2


def _draw_checkerboard(seed: tf.Tensor, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    across, up, which = _split(seed, 3)
    x1 = 4 * _uniform(across, [n]) - 2
    row = _integers(which, n, 2)
    column = tf.cast(tf.floor(x1), tf.int32)  # -2 to 1
    x2 = _uniform(up, [n]) + tf.cast(column % 2 - 2 * row, tf.float32)
    return 2 * tf.stack([x1, x2], -1), 2 * (column + 2) + row


def _draw_rings(seed: tf.Tensor, n: int) -> tuple[tf.Tensor, tf.Tensor]:
    which, around, noise = _split(seed, 3)
    y = _integers(which, n, 4)
    angle = 2 * np.pi * _uniform(around, [n])
    circle = tf.gather(_RADII, y)[:, None] * tf.stack([tf.cos(angle), tf.sin(angle)], -1)
    return circle + 0.08 * _normal(noise, [n, 2]), y


# Philox by name: the default algorithm depends on the device and on XLA.
def _split(seed: tf.Tensor, num: int) -> list[tf.Tensor]:
    return tf.unstack(tf.random.split(seed, num, alg="philox"))


def _uniform(seed: tf.Tensor, shape: list[int]) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, alg="philox")


def _normal(seed: tf.Tensor, shape: list[int]) -> tf.Tensor:
    return tf.random.stateless_normal(shape, seed, alg="philox")


def _integers(seed: tf.Tensor, n: int, bound: int) -> tf.Tensor:
    return tf.random.stateless_uniform([n], seed, 0, bound, tf.int32, alg="philox")


def _number_classes(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word} {i}" for i in range(count))


_DENSITIES = {
    density.name: density
    for density in (
        _Density("8gaussians", _draw_8gaussians, 2, _number_classes("centre", 8), centres=_CENTRES),
        _Density("spiral", _draw_spiral, 4, _number_classes("arm", 2)),
        _Density("checkerboard", _draw_checkerboard, 4, _number_classes("square", 8)),
        _Density("rings", _draw_rings, 4, _number_classes("ring", 4), radii=_RADII),
    )
}


def load(options: LoaderOptions) -> DensitySource:
    """Loads one of the four densities, by its name.

    Args:
        options: options of the loader; `image_size` must be None.

    Raises:
        UserError: an image size is given, which has no meaning here.
    """
    if options.image_size is not None:
        raise UserError(
            f"image_size={options.image_size} has no meaning for {options.name!r}, "
            "whose examples are points of the plane: leave it out"
        )
    return DensitySource(_DENSITIES[options.name])
