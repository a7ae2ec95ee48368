"""Features without a download: a small classifier, trained once on the data set's own labels.

Its scores compare models of one data set with each other. They are no substitute for Inception's when
results are to be compared with the literature.
"""

import json
import pathlib
import zlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Examples, Source
from tf_sintrovae.data.sources import pipelines
from tf_sintrovae.evaluation.feature_networks.network import (
    FeatureNetwork,
    digest,
    read_cache,
    to_uint8,
    write_cache,
)
from tf_sintrovae.evaluation.feature_networks.precision import full_precision
from tf_sintrovae.evaluation.progress import Track, untracked

NUM_FEATURES = 64
_STEPS, _BATCH_SIZE, _SEED = 1_200, 64, 0
# Raise it when architecture or training change, so that no stale network is read.
_VERSION = "2"


@full_precision()
def load(source: Source, cache_dir: pathlib.Path, track: Track = untracked) -> FeatureNetwork:
    """Loads the classifier of a data set, and trains it where the cache does not have it.

    Args:
        source: data set of images with at least two classes.
        cache_dir: folder that it is kept in.
        track: function that passes items on and tells how many of a stage are done.

    Returns:
        The network `<dataset>-classifier`; its features are the last hidden layer's.
    """
    train, test = (
        _sort_by_content(source.examples("train")),
        _sort_by_content(source.examples("test")),
    )
    settings = f"{source.num_classes} {_STEPS} {_BATCH_SIZE} {_SEED} float32 {_VERSION}"
    key = digest(*train, *test, settings, keras.__version__)
    path = cache_dir / "classifiers" / f"{source.name}-{key}.npz"
    shape = source.shape, source.num_classes
    cached = read_cache(path, lambda stored: _restore(stored, *shape))
    model, info = cached or _train_new(path, train, test, *shape, track)
    fingerprint = digest(*model.get_weights(), _VERSION)
    return FeatureNetwork(
        f"{source.name}-classifier",
        fingerprint,
        _features(model),
        info | {"fingerprint": fingerprint},
        standardised_kernel=True,
    )


def _train_new(
    path: pathlib.Path,
    train: Examples,
    test: Examples,
    shape: tuple[int, ...],
    num_classes: int,
    track: Track,
) -> tuple[keras.Model, dict]:
    """A new classifier and what is told about it, both written to the cache."""
    model = _network(shape, num_classes)
    _train(model, train, track)
    info = {"test_accuracy": _accuracy(model, test), "steps": _STEPS}
    weights = {f"w{i}": value for i, value in enumerate(model.get_weights())}
    write_cache(path, lambda file: np.savez(file, info=json.dumps(info), **weights))
    return model, info


def _sort_by_content(examples: Examples) -> Examples:
    """Examples in an order that their content gives: the network is of the data, however they are stored."""
    rows = zip(to_uint8(examples.x), examples.y, strict=True)
    order = np.argsort([zlib.crc32(y, zlib.crc32(x.tobytes())) for x, y in rows], kind="stable")
    return Examples(examples.x[order], examples.y[order])


def _restore(stored: Any, shape: tuple[int, ...], num_classes: int) -> tuple[keras.Model, dict]:
    """A classifier out of the cache and what is told about it."""
    model = _network(shape, num_classes)
    model.set_weights([stored[f"w{i}"] for i in range(len(model.weights))])
    info = json.loads(str(stored["info"]))
    return model, {name: info[name] for name in ("test_accuracy", "steps")}


def _network(shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Convolutions and pooling down to about 4 x 4, a hidden layer of features, logits."""
    seeds = iter(range(_SEED, _SEED + 100))

    def conv(filters: int) -> keras.Layer:
        initializer = keras.initializers.HeNormal(seed=next(seeds))
        return keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer=initializer
        )

    def dense(units: int, name: str, activation: str | None = None) -> keras.Layer:
        initializer = keras.initializers.HeNormal(seed=next(seeds))
        return keras.layers.Dense(units, activation, kernel_initializer=initializer, name=name)

    x = inputs = keras.Input(shape)
    for filters in (16, 32, 64):
        x = conv(filters)(x)
        if min(x.shape[1:3]) >= 8:
            x = keras.layers.MaxPooling2D(2)(x)
    hidden = dense(NUM_FEATURES, "features", "relu")(keras.layers.Flatten()(x))
    return keras.Model(inputs, dense(num_classes, "logits")(hidden))


def _train(model: keras.Model, examples: Examples, track: Track) -> None:
    """A fixed number of Adam steps on images as the extraction will see them."""
    rate = keras.optimizers.schedules.CosineDecay(2e-3, _STEPS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    data = tf.data.Dataset.from_tensor_slices((to_uint8(examples.x), examples.y))
    data = data.shuffle(len(examples.x), seed=_SEED).repeat().batch(_BATCH_SIZE)
    data = data.map(lambda x, y: (tf.cast(x, tf.float32) / 255.0, y))
    data = pipelines.untuned(data.prefetch(2))
    steps = track(range(_STEPS), "training the classifier", _STEPS)
    tell = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: next(steps))
    model.fit(data, steps_per_epoch=_STEPS, epochs=1, verbose=0, shuffle=False, callbacks=[tell])


def _accuracy(model: keras.Model, examples: Examples) -> float:
    logits = model.predict(to_uint8(examples.x) / np.float32(255.0), verbose=0)
    return float(np.mean(logits.argmax(axis=1) == examples.y))


def _features(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    hidden = keras.Model(model.inputs, model.get_layer("features").output)

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)])
    def extract(x: tf.Tensor) -> tf.Tensor:
        return hidden(tf.cast(x, tf.float32) / 255.0, training=False)

    return lambda x: extract(tf.constant(x)).numpy()
