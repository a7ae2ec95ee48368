"""What the prior's components look like, and how some test examples use them."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.kernels import mixture
from tf_sintrovae.model import SoftIntroVAE

_NUM_EXAMPLES = 1000
_BATCH = 100  # examples that are encoded at once
_MOST_VALUES = 2**20  # of a histogram


class PriorUse(NamedTuple):
    """The state of a prior.

    Attributes:
        weights: [K] weights of the components.
        log_variances: [V] log-variances of the components, as they hold; evenly chosen where there are many.
        responsibilities: [N, K] p(k|z) at the posterior means z of test examples, always the same ones.
    """

    weights: np.ndarray
    log_variances: np.ndarray
    responsibilities: np.ndarray


class PriorObserver:
    """Takes the state of a model's prior.

    Args:
        model: model in training; taken as it is at each call.
        source: data set, of which test examples are encoded.
        seed: seed of the choice of examples.
    """

    def __init__(self, model: SoftIntroVAE, source: Source, seed: int):
        self._model = model
        count = max(1, min(_NUM_EXAMPLES, _MOST_VALUES // model.prior.num_components))
        # Read when they are first needed: a resumed run may have nothing left to train.
        self._examples = functools.cache(lambda: source.examples("test", count, seed).x)

    def __call__(self) -> PriorUse:
        """The state as it is now."""
        model = self._model
        loc, logvar, logits = model.prior.parameters(model.encoder)
        parts = [
            mixture.responsibilities(z, loc, logvar, logits, jit_compile=False).numpy()
            for z in self._means()
        ]
        log_variances = logvar.numpy().ravel()
        return PriorUse(
            tf.nn.softmax(tf.cast(logits, tf.float64)).numpy(),
            log_variances[:: -(-log_variances.size // _MOST_VALUES)],
            np.concatenate(parts),
        )

    def _means(self) -> Iterator[tf.Tensor]:
        """Posterior means [B, L] of the examples."""
        x = self._examples()
        for start in range(0, len(x), _BATCH):
            yield self._model.encoder(x[start : start + _BATCH], training=False)[0]
