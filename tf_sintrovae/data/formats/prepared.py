"""Data sets prepared by TensorFlow Datasets (TFDS), and their download."""

import logging
import os
import pathlib
import re

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from tf_sintrovae.data.formats import downloads, images
from tf_sintrovae.data.source import Source
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.data.sources.streams import StoredSplit, StreamSource
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path

_logger = logging.getLogger("tf_sintrovae.data")

# Above this many bytes of uint8 pixels, batches are read from disk instead of from memory. Fixed, so
# that the order of batches is the same on every machine.
MEMORY_LIMIT = 4 * 2**30
# Where TFDS puts data by default, which its environment variable moves.
_DEFAULT_DIR = "~/tensorflow_datasets"
# Names of a test split, in order of preference.
_TEST_SPLITS = ("test", "validation")


def default_dir() -> pathlib.Path:
    """TFDS's own folder, where data are looked for and downloaded to unless told otherwise."""
    return user_path(os.environ.get("TFDS_DATA_DIR", _DEFAULT_DIR))


def find(name: str, folder: pathlib.Path) -> tfds.core.DatasetBuilder | None:
    """Looks for a data set that TFDS has prepared, without any network.

    Args:
        name: name that TFDS has for it, perhaps with a configuration (`name/config:version`).
        folder: TFDS's data folder, which holds `name/version/`.

    Returns:
        A builder that can read it, or None.

    Raises:
        UserError: its description is damaged.
    """
    root = re.match(r"\w+", name)
    if root is None or not (folder / root[0]).is_dir():
        return None
    try:
        return read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return None
    except Exception as error:  # a damaged description raises almost anything
        raise _damage_error(folder / root[0], error) from error


def download(name: str, folder: pathlib.Path) -> tfds.core.DatasetBuilder | None:
    """Downloads and prepares a data set.

    Args:
        name: name that TFDS has for it.
        folder: folder to prepare it in.

    Returns:
        A builder that can read it, or None where TFDS knows no data set of this name.

    Raises:
        UserError: it cannot be downloaded, which shows within seconds where there is no network.
    """
    try:
        builder = tfds.builder(name, data_dir=folder)
    except (tfds.core.DatasetNotFoundError, ValueError):
        return None
    urls = sorted(str(url) for url in builder.url_infos or ())
    if urls and (obstacle := downloads.find_obstacle(urls[0])):
        raise UserError(f"{name} cannot be downloaded ({obstacle})")
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # TFDS lets through whatever its many parts raise
        raise UserError(f"{name} could not be downloaded ({_shorten(error)})") from error
    return builder


def source(name: str, builder: tfds.core.DatasetBuilder, image_size: int | None) -> Source:
    """Makes a `Source` of a prepared data set: in memory where it fits, from disk otherwise.

    Without a split for tests, the last tenth of the training split (in TFDS's shuffled order) is it.

    Args:
        name: canonical name of the data set.
        builder: builder of prepared data.
        image_size: height and width to resize images to; None keeps their own.

    Returns:
        The data set.

    Raises:
        UserError: the data are not images, or of various sizes without `image_size`, or damaged.
    """
    image, label = _image(name, builder), _label(builder)
    shape = _shape(name, builder.info.features[image].shape, image_size)
    class_names = tuple(builder.info.features[label].names) if label else ()
    train, test = (
        _split(builder, split, image, label, image_size) for split in _split_names(name, builder)
    )
    size = (train.size + test.size) * int(np.prod(shape))
    if size > MEMORY_LIMIT:
        _logger.info("%s: %.1f GiB of pixels, read from disk batch by batch", name, size / 2**30)
        return StreamSource(name, train, test, shape, class_names)
    try:
        arrays = *train.read(shape), *test.read(shape)
    except tf.errors.OpError as error:
        raise _damage_error(builder.data_path, error) from error
    return ArraySource(name, *arrays, class_names=class_names)


def _damage_error(folder: os.PathLike, error: Exception) -> UserError:
    return UserError(f"{folder}: damaged data prepared by TFDS ({_shorten(error)}): get them again")


def _shorten(error: Exception) -> str:
    """The message on one line, without the names of graph nodes that TensorFlow adds."""
    message = re.sub(r"\{\{.*?\}\}|\[Op:.*", " ", str(error), flags=re.DOTALL)
    return " ".join(message.split())[:300]


def _split(
    builder: tfds.core.DatasetBuilder,
    split: str,
    image: str,
    label: str | None,
    image_size: int | None,
) -> StoredSplit:
    feature = builder.info.features[image]

    def select(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor | int]:
        return example[image], tf.cast(example[label], tf.int32) if label else 0

    def decode(encoded: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = feature.decode_example(encoded)
        return x if image_size is None else images.resize_batch(x, image_size), y

    stored = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False),
        decoders={image: tfds.decode.SkipDecoding()},
    )
    return StoredSplit(stored.map(select), builder.info.splits[split].num_examples, decode)


def _split_names(name: str, builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    splits = builder.info.splits
    if "train" not in splits:
        raise UserError(f"{name} has no split 'train', only {', '.join(splits)}: take another")
    test = next((split for split in _TEST_SPLITS if split in splits), None)
    return ("train", test) if test else ("train[:90%]", "train[90%:]")


def _image(name: str, builder: tfds.core.DatasetBuilder) -> str:
    found = _keys(builder, tfds.features.Image)
    if not found:
        raise UserError(f"{name} has no images, only {', '.join(builder.info.features)}")
    key = "image" if "image" in found else found[0]
    dtype = np.dtype(builder.info.features[key].np_dtype)
    if dtype != np.uint8:
        raise UserError(f"{name} has images of {dtype}, only uint8 can be read: take another")
    return key


def _label(builder: tfds.core.DatasetBuilder) -> str | None:
    found = _keys(builder, tfds.features.ClassLabel)
    return "label" if "label" in found else next(iter(found), None)


def _keys(builder: tfds.core.DatasetBuilder, kind: type) -> list[str]:
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        return []
    return [key for key, feature in features.items() if isinstance(feature, kind)]


def _shape(name: str, own: tuple, image_size: int | None) -> tuple[int, int, int]:
    if image_size is None and None in own:
        raise UserError(f"{name} has images of various sizes: give an image_size, such as 64")
    return own if image_size is None else (image_size, image_size, own[-1])
