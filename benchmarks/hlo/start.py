"""Data set and model at the start of a run."""

import keras

from tf_sintrovae import build as project
from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training import strategy


def build(settings: Config) -> tuple[Source, SoftIntroVAE]:
    """Data set and model, as `tf_sintrovae.training.loop.train` makes them on one device.

    Raises:
        UserError: the data set is an endless stream, or read from disk as it is needed.
    """
    source = project.load_source(settings)
    if not isinstance(source, ArraySource):
        raise UserError(
            f"data set {source.name} is not held in memory, and cannot travel: give one of images, that fits "
            "--max_data_gib"
        )
    keras.utils.set_random_seed(settings.seed)
    strategy.set_up_runtime(settings)
    return source, project.build_model(settings, source)
