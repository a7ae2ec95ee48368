"""What all measures of one evaluation share: model, data, seed, and what was computed from them."""

import dataclasses
import functools
import os
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork
from tf_sintrovae.evaluation.reference import Reference


@dataclasses.dataclass(frozen=True)
class Options:
    """Counts and networks of an evaluation; the defaults are the paper's where it has any.

    Attributes:
        num_images: at most so many training images, and as many samples and reconstructions, are compared.
        num_points: points and samples of plane data.
        num_posterior_samples: posterior samples an example for the use of components.
        entropy_batch_size: examples in a batch of the paper's assignment entropy; the run's batch size
            gives the paper's figure.
        num_class_samples: samples judged by the classifier of real pixels.
        iwae_images: test examples for the importance-weighted bound.
        iwae_samples: importance samples for each.
        gnelbo_grid: points along each side of the grid.
        gnelbo_points: data points of gnELBO.
        feature_networks: `classifier`, `inception-2015`, `keras-inception-v3`.
        inception_path: frozen graph or SavedModel of the original Inception network.
        keras_inception_weights: weights file of Keras's InceptionV3; None downloads it.
        cache_dir: for trained classifiers and features of real data.
        ood_source: data set from another distribution, of the same shape; None leaves the measure out.
        batch_statistics: also measure samples decoded with the batch-norm statistics of their own batch.
    """

    num_images: int = 50_000
    num_points: int = 5_000
    num_posterior_samples: int = 100
    entropy_batch_size: int = 128
    num_class_samples: int = 1_000
    iwae_images: int = 200
    iwae_samples: int = 1_000
    gnelbo_grid: int = 1_024
    gnelbo_points: int = 12_800
    feature_networks: tuple[str, ...] = ("classifier",)
    inception_path: str | None = None
    keras_inception_weights: str | None = None
    cache_dir: pathlib.Path | None = None
    ood_source: Source | None = None
    batch_statistics: bool = False

    def counts(self) -> dict[str, int]:
        """The counts, for the results."""
        return {k: v for k, v in vars(self).items() if type(v) is int}

    @property
    def cache(self) -> pathlib.Path:
        """`cache_dir`, or the user's cache folder."""
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        return self.cache_dir or pathlib.Path(base) / "tf_sintrovae"


class Context:
    """One evaluation; what several measures need is computed once.

    Args:
        model: has `signatures` as docs/evaluation.md tells.
        source: the data set.
        seed: seed of all draws; equal seeds give equal figures.
        options: counts and networks.
        networks: feature networks by their option's name, shared by evaluations; filled as they are needed.

    Attributes:
        counts: numbers of examples that measures took, where the data had fewer than `options` ask for.
        floors: scores between two sets of real images by name of the network; filled as they are needed.
    """

    batch_size = 500

    def __init__(
        self,
        model: Any,
        source: Source,
        seed: int = 0,
        options: Options | None = None,
        networks: dict[str, FeatureNetwork] | None = None,
    ):
        self.source, self.seed, self.options = source, seed, options or Options()
        self.networks = {} if networks is None else networks
        self._signatures = model.signatures
        self._encoded: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.counts: dict[str, int] = {}
        self.floors: dict[str, dict[str, float]] = {}

    def generator(self, name: str) -> np.random.Generator:
        """A stream of random numbers that depends on the seed and its name alone."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def call(self, name: str, **arguments) -> dict[str, np.ndarray]:
        """A signature's outputs as arrays; arguments may be arrays."""
        tensors = {key: tf.constant(value) for key, value in arguments.items()}
        return {key: v.numpy() for key, v in self._signatures[name](**tensors).items()}

    def call_in_batches(self, name: str, argument: str, values: np.ndarray) -> dict[str, np.ndarray]:
        """A signature's outputs for many rows, a batch at a time."""
        parts = [self.call(name, **{argument: part}) for part in self.split(values)]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """`values` in batches."""
        return [
            values[start : start + self.batch_size]
            for start in range(0, len(values), self.batch_size)
        ]

    def examples(self, split: str) -> Examples:
        """All examples of a split; of an endless stream, `num_points`."""
        limit = None if self.source.num_train else self.options.num_points
        return self.source.examples(split, limit, self.seed)

    def score(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """`score` of examples [N, ...], each batch with noise of its own."""
        parts = [
            self.call("score", x=part, seed=[self.seed, i]) for i, part in enumerate(self.split(x))
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def posterior(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance [N, L] of a split."""
        if split not in self._encoded:
            encoded = self.call_in_batches("encode", "x", self.examples(split).x)
            self._encoded[split] = encoded["mean"], encoded["logvar"]
        return self._encoded[split]

    def sample_posterior(self, split: str) -> np.ndarray:
        """One posterior sample [N, L] for each example of a split."""
        return draw(*self.posterior(split), self.generator(f"sampled {split}"))

    def decoder_mean(self, z: np.ndarray) -> np.ndarray:
        """The decoder's mean [N, *shape] at z [N, L], not clipped where the model offers it so."""
        name = "decode_unclipped" if "decode_unclipped" in self._signatures else "decode"
        return self.call_in_batches(name, "z", z)["x"]

    @property
    def has_batch_statistics(self) -> bool:
        """Whether the model can decode with the batch-norm statistics of the batch."""
        return "sample_batch_statistics" in self._signatures

    def sample_batches(self, count: int, name: str = "sample") -> Iterator[np.ndarray]:
        """`count` samples of the model [B, *shape], in batches; `name` of the signature that draws them."""
        for start in range(0, count, self.batch_size):
            number = min(self.batch_size, count - start)
            yield self.call(name, num_samples=number, seed=[self.seed, 10_000 + start])["x"]

    def samples(self, count: int) -> np.ndarray:
        """`count` samples of the model [count, *shape]."""
        return np.concatenate(list(self.sample_batches(count)))

    @functools.cached_property
    def reference(self) -> Reference:
        """The real images that samples and reconstructions are compared with."""
        return Reference(self.source, self.options.num_images, self.seed)

    @functools.cached_property
    def prior(self) -> dict[str, np.ndarray]:
        """`loc`, `logvar` [K, L] and `log_weights` [K]."""
        return self.call("prior")


def draw(mean, logvar, noise: np.random.Generator) -> np.ndarray:
    """One posterior sample an example, [N, L] float32."""
    return mean + np.exp(0.5 * logvar) * noise.standard_normal(mean.shape, np.float32)
