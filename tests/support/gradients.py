"""Each player's gradients on one global batch, under any strategy; as a program, those of a worker.

python -m tests.support.gradients FILE NETWORKS-PRIOR:STAGE:DTYPE ...
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


# Rates at which a step changes weights by about 1e-4, as a step of Adam does.
RATES = {"vae": 1e-5, "introspective": 0.1}
STEPS = 3
# Of the greatest in its variable. In float64 only the order of sums differs. In float32 batch norm, fused on
# one replica and a mean over replicas on several, enlarges how they are rounded.
TOLERANCES = {"float32": 2e-5, "float64": 1e-12}


class RecordingSGD(keras.optimizers.SGD):
    """Plain descent that keeps the last step's gradient, times its rate, as its velocity."""

    def __init__(self, rate: float):
        super().__init__(rate, momentum=1e-30)  # Keras keeps no velocity without momentum

    def last_gradients(self) -> list[np.ndarray]:
        return [velocity.numpy() / -self.learning_rate.numpy() for velocity in self.momentums]


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


def gradients(case, stage, distribution=None, dtype="float32"):
    """The gradients of the last of a few steps of descent.

    Args:
        case: networks and prior.
        stage: stage of training.
        distribution: strategy; None for this process alone.
        dtype: precision of networks and prior.

    Returns:
        The gradients of all trainable variables, and the statistics of batch norm after the steps.
    """
    used = distribution or tf.distribute.get_strategy()
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        with used.scope():
            model = case.model(synchronized=distribution is not None, scale=1e-3)
            model.compile(*(RecordingSGD(RATES[stage]) for _ in range(3)))
            model.stage = stage
    finally:
        keras.config.set_dtype_policy(policy)
    source = OneBatch(data(case.shape, GLOBAL_BATCH).astype(dtype))
    batches = strategy.training_batches(source, Config(batch_size=GLOBAL_BATCH), used, 0)
    model.fit(batches, steps_per_epoch=STEPS, verbose=0, shuffle=False)
    statistics = [v.numpy() for v in model.encoder.non_trainable_variables]
    return [g for optimizer in model.optimizers for g in optimizer.last_gradients()], statistics


def assert_same_gradients(case, stage, others, dtype="float32") -> float:
    """Compares with this process alone; returns the greatest difference, relative to its variable's greatest.

    Args:
        case: networks and prior.
        stage: stage of training.
        others: what `gradients` has given elsewhere.
        dtype: its precision.
    """
    single, statistics = gradients(case, stage, dtype=dtype)
    assert any(np.abs(g).max() > 1e-4 for g in single)
    for a, b in zip(single, others[0], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=TOLERANCES[dtype] * np.abs(a).max())
    for a, b in zip(statistics, others[1], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=min(1e-5, TOLERANCES[dtype]))
    # A variable of which nothing depends has no gradient anywhere.
    moved = [(a, b) for a, b in zip(single, others[0], strict=True) if np.abs(a).max() > 0]
    return max(float(np.abs(b - a).max() / np.abs(a).max()) for a, b in moved)


def read(path) -> dict:
    """What the program wrote: gradients and statistics by `NETWORKS-PRIOR:STAGE:DTYPE`."""
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
        case, stage, dtype = name.split(":")
        found = gradients(Case(*case.split("-", 1)), stage, distribution, dtype)
        for kind, values in zip(("gradients", "statistics"), found, strict=True):
            arrays |= {f"{name}/{kind}/{index}": value for index, value in enumerate(values)}
    np.savez(path, **arrays)


if __name__ == "__main__":
    _main(*sys.argv[1:])
