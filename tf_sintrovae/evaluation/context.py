"""What all metrics of one evaluation share: model, data, seed, and what was computed from them."""

import functools
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork
from tf_sintrovae.evaluation.options import Options
from tf_sintrovae.evaluation.progress import Track, untracked
from tf_sintrovae.evaluation.reference import Reference

T = TypeVar("T")


class Context:
    """One evaluation; what several groups of metrics need is computed once.

    Args:
        model: object with `signatures`, as docs/evaluation.md tells.
        source: data set to evaluate on.
        seed: seed of all draws; equal seeds give equal metrics.
        options: options of the evaluation; the defaults when None.
        networks: feature networks by their option's name, shared by evaluations; filled as they are needed.

    Attributes:
        counts: numbers of examples that were taken, where the data had fewer than `options` ask for.
        floors: scores between two sets of real images by name of the network; filled as they are needed.
        track: function that passes items on and tells how many of a stage are done.
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
        self.track: Track = untracked
        self._computed: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.floors: dict[str, dict[str, float]] = {}

    def generator(self, name: str) -> np.random.Generator:
        """Returns a stream of random numbers that depends on the seed and its name alone."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def call(self, name: str, **arguments: Any) -> dict[str, np.ndarray]:
        """Calls a signature and returns its outputs as arrays; arguments may be arrays."""
        tensors = {key: tf.constant(value) for key, value in arguments.items()}
        return {key: v.numpy() for key, v in self._signatures[name](**tensors).items()}

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Returns what a function gives, which several groups of metrics need; it is called once.

        Args:
            name: name that tells this value from all others.
            compute: function to call the first time.
        """
        if name not in self._computed:
            self._computed[name] = compute()
        return self._computed[name]

    def call_in_batches(
        self, name: str, argument: str, values: np.ndarray, stage: str = ""
    ) -> dict[str, np.ndarray]:
        """Calls a signature for many rows, a batch at a time, and returns its outputs.

        Args:
            name: name of the signature.
            argument: name of its argument.
            values: rows of the argument.
            stage: what progress calls this; it hears nothing of it where this is empty.
        """
        batches = self.split(values)
        track = self.track if stage else untracked
        parts = [self.call(name, **{argument: x}) for x in track(batches, stage, len(batches))]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Splits values into batches."""
        return [
            values[start : start + self.batch_size]
            for start in range(0, len(values), self.batch_size)
        ]

    def examples(self, split: str) -> Examples:
        """Returns all examples of a split; of an endless stream, `num_points`."""
        limit = None if self.source.num_train else self.options.num_points
        return self.source.examples(split, limit, self.seed)

    def score(self, x: np.ndarray, stage: str) -> dict[str, np.ndarray]:
        """Calls `score` for examples [N, ...], each batch with noise of its own; progress names the stage."""
        batches = self.split(x)
        parts = [
            self.call("score", x=part, seed=[self.seed, i])
            for i, part in enumerate(self.track(batches, stage, len(batches)))
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def posterior(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Returns posterior means and log-variances [N, L] of a split."""

        def encode() -> tuple[np.ndarray, np.ndarray]:
            x = self.examples(split).x
            encoded = self.call_in_batches("encode", "x", x, f"encoding the {split} set")
            return encoded["mean"], encoded["logvar"]

        return self.once(f"posterior {split}", encode)

    def sample_posterior(self, split: str) -> np.ndarray:
        """Draws one posterior sample for each example of a split, [N, L]."""
        return draw(*self.posterior(split), self.generator(f"sampled {split}"))

    def decoder_mean(self, z: np.ndarray, stage: str = "") -> np.ndarray:
        """Returns the decoder's mean [N, *shape] at z [N, L], not clipped where the model offers it so.

        Args:
            z: latent vectors.
            stage: what progress calls this; it hears nothing of it where this is empty.
        """
        name = "decode_unclipped" if "decode_unclipped" in self._signatures else "decode"
        return self.call_in_batches(name, "z", z, stage)["x"]

    @property
    def has_batch_statistics(self) -> bool:
        """Whether the model can decode with the batch-norm statistics of the batch."""
        return "sample_batch_statistics" in self._signatures

    def sample_batches(self, count: int, name: str = "sample") -> Iterator[np.ndarray]:
        """Draws samples of the model, in batches [B, *shape].

        Args:
            count: number of samples in all.
            name: name of the signature that draws them.
        """
        starts = range(0, count, self.batch_size)
        for start in self.track(starts, "drawing samples", len(starts)):
            number = min(self.batch_size, count - start)
            yield self.call(name, num_samples=number, seed=[self.seed, 10_000 + start])["x"]

    def samples(self, count: int) -> np.ndarray:
        """Draws `count` samples of the model, [count, *shape]."""
        return np.concatenate(list(self.sample_batches(count)))

    @functools.cached_property
    def reference(self) -> Reference:
        """The real images that samples and reconstructions are compared with."""
        return Reference(self.source, self.options.num_images, self.seed)

    @functools.cached_property
    def prior(self) -> dict[str, np.ndarray]:
        """`loc`, `logvar` [K, L] and `log_weights` [K]."""
        return self.call("prior")


def draw(
    mean: np.ndarray, logvar: np.ndarray, noise: np.random.Generator, count: int = 1
) -> np.ndarray:
    """Draws `count` posterior samples an example, [N * count, L] float32, those of an example side by side.

    Args:
        mean: [N, L] posterior means.
        logvar: [N, L] posterior log-variances.
        noise: stream of random numbers.
        count: number of samples of each example.
    """
    size, latent_dim = mean.shape
    z = noise.standard_normal((size, count, latent_dim), np.float32)
    z *= np.exp(0.5 * logvar)[:, None]
    z += mean[:, None]
    return z.reshape(size * count, latent_dim)
