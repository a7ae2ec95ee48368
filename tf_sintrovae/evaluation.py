"""Measures a model through its signatures, whether it is in memory or loaded from a SavedModel."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.metrics import components, histogram, modes, representation

NUM_SAMPLES_2D = 5_000
NUM_SAMPLES_CLASSES = 1_000
NUM_POSTERIOR_SAMPLES = 100
_BATCH_SIZE = 500


class Evaluation:
    """One evaluation: a model, a data set and a seed; what several measures need is computed once.

    Args:
        model: has `signatures` as the export has them.
        source: the data set.
        seed: of all draws; equal seeds give equal figures.
    """

    def __init__(self, model: Any, source: Source, seed: int = 0):
        self._signatures = model.signatures
        self._source = source
        self._seed = seed
        self._posteriors = {}

    def divergences(self) -> dict[str, float]:
        """2D: divergences between data and samples."""
        real = self._source.examples("test", NUM_SAMPLES_2D, self._seed).x
        fake = self._samples(NUM_SAMPLES_2D)
        return histogram.divergences(real, fake, self._source.plot_range)

    def modes(self) -> dict[str, float]:
        """2D with known modes: their shares of the samples."""
        samples = self._samples(NUM_SAMPLES_2D)
        if self._source.centres is not None:
            return modes.coverage(samples, self._source.centres)
        return modes.ring_coverage(samples, self._source.radii)

    def components(self) -> dict[str, float]:
        """Use of the prior's components by the data."""
        mean, logvar = self._posterior("train" if self._source.num_train else "test")
        weights = np.exp(self._call("prior")["log_weights"])
        total = np.zeros(len(weights))
        noise = np.random.default_rng(self._seed)
        for _ in range(NUM_POSTERIOR_SAMPLES):
            z = _draw(mean, logvar, noise)
            total += self._batched("responsibilities", "z", z)["responsibilities"].mean(axis=0)
        return components.component_use(total / NUM_POSTERIOR_SAMPLES, weights)

    def representation(self) -> dict[str, float]:
        """Probes on sampled z, as in the paper, and on the mean."""
        y_train, y_test = (self._source.examples(split).y for split in ("train", "test"))
        posteriors = [self._posterior(split) for split in ("train", "test")]
        noise = np.random.default_rng(self._seed)
        kinds = {
            "sampled": [_draw(*posterior, noise) for posterior in posteriors],
            "mean": [mean for mean, _ in posteriors],
        }
        return {
            f"{name}_{kind}": value
            for kind, (train, test) in kinds.items()
            for name, value in representation.probe_accuracies(train, y_train, test, y_test).items()
        }

    def class_coverage(self) -> dict[str, float]:
        """Classes that a linear SVM on real pixels finds among the samples."""
        x, y = self._source.examples("train", 10_000)
        samples = self._samples(NUM_SAMPLES_CLASSES)
        return representation.class_coverage(x, y, samples, self._source.num_classes)

    def elbo(self) -> dict[str, float]:
        """ELBO, KL and mean squared error per value, on train and test."""
        size = int(np.prod(self._source.shape))
        figures = {}
        for split in ("train", "test"):
            x = self._source.examples(split, None if self._source.num_train else NUM_SAMPLES_2D).x
            scores = self._batched("score", "x", x, seed=tf.constant([self._seed, 2]))
            figures |= {
                f"elbo_{split}": float(scores["elbo"].mean(dtype=np.float64)),
                f"kl_{split}": float(scores["kl"].mean(dtype=np.float64)),
                f"mse_{split}": float(scores["reconstruction_error"].mean(dtype=np.float64)) / size,
            }
        return figures

    def _samples(self, count: int) -> np.ndarray:
        """`count` samples [count, *shape], in batches."""
        parts = [
            self._call(
                "sample",
                num_samples=tf.constant(min(_BATCH_SIZE, count - start)),
                seed=tf.constant([self._seed, 1000 + start]),
            )["x"]
            for start in range(0, count, _BATCH_SIZE)
        ]
        return np.concatenate(parts)

    def _posterior(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance [N, L] of a split, encoded once."""
        if split not in self._posteriors:
            limit = None if self._source.num_train else NUM_SAMPLES_2D
            x = self._source.examples(split, limit, self._seed).x
            encoded = self._batched("encode", "x", x)
            self._posteriors[split] = encoded["mean"], encoded["logvar"]
        return self._posteriors[split]

    def _batched(self, name: str, argument: str, values: np.ndarray, **others):
        parts = [
            self._call(
                name, **{argument: tf.constant(values[start : start + _BATCH_SIZE])}, **others
            )
            for start in range(0, len(values), _BATCH_SIZE)
        ]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _call(self, name: str, **arguments) -> dict[str, np.ndarray]:
        return {key: v.numpy() for key, v in self._signatures[name](**arguments).items()}


def applicable(source: Source) -> tuple[str, ...]:
    """Names of the measures that suit a data set."""
    names = ["elbo", "components"]
    if source.is_image:
        names += ["representation", "class_coverage"] if source.num_classes > 1 else []
        return tuple(names)
    names.append("divergences")
    has_modes = source.centres is not None or source.radii is not None
    return (*names, "modes") if has_modes else tuple(names)


def evaluate(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, float]:
    """All chosen measures of a model on a data set.

    Args:
        model: has `signatures: Mapping[str, callable]` as docs/evaluation.md tells.
        source: the data set.
        metrics: names out of `applicable(source)`; all of them when None.
        seed: of all draws.
        progress: called with the name of each measure before it is taken.

    Returns:
        Figures by name.

    Raises:
        UserError: a measure that does not exist or suit, or a model made for another shape of data.
    """
    known = applicable(source)
    for name in metrics or ():
        if name not in known:
            raise UserError(
                f"metrics={name}: for {source.name}, expected some of {', '.join(known)}"
            )
    _check_shape(model.signatures, source)
    evaluation = Evaluation(model, source, seed)
    figures = {}
    for name in metrics or known:
        if progress is not None:
            progress(name)
        figures |= getattr(evaluation, name)()
    return figures


def _check_shape(signatures: Mapping, source: Source) -> None:
    missing = {"encode", "decode", "sample", "responsibilities", "score", "prior"} - set(signatures)
    if missing:
        raise UserError(
            f"the model lacks the signatures {', '.join(sorted(missing))}: "
            "expected those of docs/evaluation.md"
        )
    try:
        signatures["encode"](x=tf.zeros((1, *source.shape)))
    except (TypeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the model does not take examples of {source.name}, of shape {source.shape}: {reason}"
        ) from error


def _draw(mean, logvar, noise: np.random.Generator) -> np.ndarray:
    """One posterior sample an example, [N, L] float32."""
    return mean + np.exp(0.5 * logvar) * noise.standard_normal(mean.shape, np.float32)
