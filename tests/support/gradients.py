"""Each player's gradients on one global batch, under any strategy; as a program, those of a worker.

python -m tests.support.gradients FILE NETWORKS-PRIOR:STAGE ...
"""

import os
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.support.cases import BATCH_SIZE, Case, data
from tf_sintrovae.config import Config
from tf_sintrovae.data.sources import pipelines
from tf_sintrovae.training import strategy
from tf_sintrovae.training.cluster import find_cluster

GLOBAL_BATCH = 2 * BATCH_SIZE


class RecordingSGD(keras.optimizers.SGD):
    """Plain descent with rate 1, so that a change of weights is minus the gradient."""

    def __init__(self):
        super().__init__(1.0)


class OneBatch:
    """A source whose batches are all the same, sharded as those of data sets are."""

    def __init__(self, x):
        self._x = x

    def train_batches(self, batch_size, seed, start_step=0, num_shards=1, shard=0):
        rows = batch_size // num_shards
        mine = self._x[shard * rows : (shard + 1) * rows]
        batch = mine, np.zeros(rows, np.int32)
        steps = tf.data.Dataset.range(start_step, pipelines.LAST)
        return pipelines.finish(steps, lambda _: batch)


def gradients(case, stage, distribution=None):
    """The change that descent with rate 1 makes.

    Args:
        case: networks and prior.
        stage: stage of training.
        distribution: strategy; None for this process alone.

    Returns:
        The gradients of all trainable variables, and the statistics of batch norm after the step.
    """
    one = tf.distribute.get_strategy()
    with (distribution or one).scope():
        model = case.model(synchronized=distribution is not None, scale=1e-3)
        model.compile(RecordingSGD(), RecordingSGD(), RecordingSGD())
        model.stage = stage
    before = [v.numpy() for v in model.trainable_variables]
    source = OneBatch(data(case.shape, GLOBAL_BATCH))
    batches = strategy.training_batches(
        source, Config(batch_size=GLOBAL_BATCH), distribution or one, 0
    )
    model.fit(batches, steps_per_epoch=1, verbose=0, shuffle=False)
    statistics = [v.numpy() for v in model.encoder.non_trainable_variables]
    after = [v.numpy() for v in model.trainable_variables]
    return [b - a for b, a in zip(before, after, strict=True)], statistics


def assert_same_gradients(case, stage, others) -> float:
    """Compares with this process alone; returns the greatest difference, relative to its variable's greatest.

    Args:
        case: networks and prior.
        stage: stage of training.
        others: what `gradients` has given elsewhere.
    """
    single, statistics = gradients(case, stage)
    assert any(np.abs(g).max() > 1e-4 for g in single)
    for a, b in zip(single, others[0], strict=True):
        # Descent adds the gradient to weights up to 1, whose last digit is 1e-7.
        np.testing.assert_allclose(b, a, atol=2e-6 + 2e-5 * np.abs(a).max())
    for a, b in zip(statistics, others[1], strict=True):
        np.testing.assert_allclose(b, a, atol=1e-5)
    return max(
        float(np.abs(b - a).max()) / max(float(np.abs(a).max()), 1e-3)
        for a, b in zip(single, others[0], strict=True)
    )


def read(path) -> dict:
    """What the program wrote: gradients and statistics by `NETWORKS-PRIOR:STAGE`."""
    with np.load(path) as file:
        arrays = dict(file)
    names = dict.fromkeys(key.rpartition("/")[0].rpartition("/")[0] for key in arrays)

    def values(name, kind):
        count = sum(key.startswith(f"{name}/{kind}/") for key in arrays)
        return [arrays[f"{name}/{kind}/{index}"] for index in range(count)]

    return {name: (values(name, "gradients"), values(name, "statistics")) for name in names}


def _main(path: str, *names: str) -> None:
    cluster = find_cluster("auto", os.environ)
    distribution = strategy.choose_strategy(Config(batch_size=GLOBAL_BATCH), cluster)
    arrays = {}
    for name in names:
        case, stage = name.split(":")
        found = gradients(Case(*case.split("-", 1)), stage, distribution)
        for kind, values in zip(("gradients", "statistics"), found, strict=True):
            arrays |= {f"{name}/{kind}/{index}": value for index, value in enumerate(values)}
    np.savez(path, **arrays)


if __name__ == "__main__":
    _main(*sys.argv[1:])
