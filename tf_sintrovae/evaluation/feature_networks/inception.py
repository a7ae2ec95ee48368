"""Inception networks, always in inference mode.

Batch norm must not take the statistics of the batch: scores so taken look better and compare with nobody's.
"""

import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork
from tf_sintrovae.evaluation.feature_networks.precision import full_precision
from tf_sintrovae.files import user_path

SIZE = 299
# Nodes of the original network of December 2015: scaled images, and the 2048 features.
FROZEN_INPUT, FROZEN_OUTPUT = "Mul:0", "pool_3:0"


def original(path: str | None) -> FeatureNetwork:
    """Loads the network of the literature's FID, `inception-2015`.

    Args:
        path: path of a frozen graph (`.pb`, nodes `Mul` and `pool_3`, as in
            `classify_image_graph_def.pb`) or of a SavedModel folder whose `serving_default` maps
            `[N, 299, 299, 3]` in [-1, 1] to `[N, 2048]`.

    Raises:
        UserError: there is no path, no file, or no such network.
    """
    if path is None:
        raise UserError(
            "feature network inception-2015: give the original network's frozen graph or "
            "SavedModel with --inception_path"
        )
    location = user_path(path)
    if not location.exists():
        raise UserError(f"inception_path={path}: no such file or folder")
    try:
        function = (_saved_model if location.is_dir() else _frozen_graph)(location)
        function(tf.zeros((1, SIZE, SIZE, 3)))
    except Exception as error:  # protobuf, TensorFlow and KeyError alike
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"inception_path={path} is no Inception network as docs/evaluation.md tells: {reason}"
        ) from error
    sha256 = _sha256(location)
    scaled = _pipeline(function, lambda x: (x - 128.0) / 128.0, half_pixel_centres=False)
    return FeatureNetwork("inception-2015", sha256[:16], scaled, {"sha256": sha256})


@full_precision()
def keras_v3(weights: str | None) -> FeatureNetwork:
    """Loads Keras's InceptionV3, `keras-inception-v3`, its average pool as features.

    Args:
        weights: path of a weights file (`inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5`); None
            downloads it through Keras.

    Raises:
        UserError: the weights cannot be had.
    """
    try:
        model = keras.applications.InceptionV3(
            include_top=False, weights=weights or "imagenet", pooling="avg"
        )
    except Exception as error:  # urllib, h5py and Keras each raise their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"feature network keras-inception-v3: its weights cannot be had ({reason}); give the file "
            "with --keras_inception_weights"
        ) from error
    total = hashlib.sha256(b"".join(value.tobytes() for value in model.get_weights())).hexdigest()
    function = tf.function(lambda x: model(x, training=False))
    scaled = _pipeline(function, lambda x: x / 127.5 - 1.0, half_pixel_centres=True)
    return FeatureNetwork("keras-inception-v3", total[:16], scaled, {"weights_sha256": total})


def _pipeline(
    function: Callable, scale: Callable, half_pixel_centres: bool, batch_size: int = 50
) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 images of any size -> features: grey to colour, bilinear resizing, scaling, the network."""

    def batch(x: np.ndarray) -> np.ndarray:
        x = tf.cast(x, tf.float32)
        x = tf.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x
        # The original network's own resizing was TensorFlow 1's, without half-pixel centres.
        x = tf.raw_ops.ResizeBilinear(
            images=x, size=(SIZE, SIZE), half_pixel_centers=half_pixel_centres
        )
        features = function(scale(x))
        return tf.reshape(features, (tf.shape(x)[0], -1)).numpy()

    def extract(x: np.ndarray) -> np.ndarray:
        starts = range(0, len(x), batch_size)
        return np.concatenate([batch(x[start : start + batch_size]) for start in starts])

    return extract


def _frozen_graph(path: pathlib.Path) -> Callable:
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())

    def apply_graph(x: tf.Tensor) -> tf.Tensor:
        return tf.graph_util.import_graph_def(
            graph, input_map={FROZEN_INPUT: x}, return_elements=[FROZEN_OUTPUT], name=""
        )[0]

    spec = tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32)
    return tf.compat.v1.wrap_function(apply_graph, [spec])


def _saved_model(path: pathlib.Path) -> Callable:
    module = tf.saved_model.load(str(path))
    signature = module.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]

    def function(
        x: tf.Tensor, keep_alive: Any = module
    ) -> tf.Tensor:  # the signature's variables live as long as the module
        return next(iter(signature(**{name: x}).values()))

    return function


def _sha256(path: pathlib.Path) -> str:
    """The hash of a file, or of all files of a folder in order of name."""
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(file.read_bytes())
    return total.hexdigest()
