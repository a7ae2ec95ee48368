"""Options of an evaluation, and the flags that fill them; nothing here imports TensorFlow."""

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from tf_sintrovae import setting_fields
from tf_sintrovae.files import user_path
from tf_sintrovae.setting_fields import setting

if TYPE_CHECKING:
    from tf_sintrovae.data.source import Source


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of an evaluation; the defaults are the paper's where it has any.

    The fields with a help text are flags of `tf_sintrovae.evaluate` as well.

    Attributes:
        num_images: greatest number of training images, samples and reconstructions to compare.
        iwae_images: number of test examples for the importance-weighted bound.
        iwae_samples: number of importance samples for each of them.
        entropy_batch_size: number of examples in a batch of the paper's assignment entropy; the run's batch
            size gives the paper's metric.
        feature_networks: names of feature networks: `classifier`, `inception-2015`, `keras-inception-v3`.
        inception_path: path of the frozen graph or SavedModel of the original Inception network.
        keras_inception_weights: path of the weights file of Keras's InceptionV3; None downloads it.
        cache_dir: folder for trained classifiers and features of real data; None for the user's.
        batch_statistics: whether samples decoded with the batch-norm statistics of their own batch are
            measured, too.
        num_points: number of points and samples of plane data.
        num_posterior_samples: number of posterior samples an example for the use of components.
        num_class_samples: number of samples that the classifier of real pixels judges.
        gnelbo_grid: number of points along each side of the grid.
        gnelbo_points: number of data points of gnELBO.
        ood_source: data set from another distribution, of the same shape; None leaves its metric out.
    """

    num_images: int = setting(50_000, "images and samples to compare, at most", least=16)
    iwae_images: int = setting(200, "test examples of the importance-weighted bound", least=1)
    iwae_samples: int = setting(1_000, "importance samples for each of them", least=1)
    entropy_batch_size: int = setting(
        128,
        "examples in a batch of the assignment entropy; the run's batch size by default, else 128",
        least=1,
    )
    feature_networks: tuple[str, ...] = setting(
        ("classifier",),
        "networks that compare images: classifier, inception-2015, keras-inception-v3",
    )
    inception_path: str | None = setting(
        None, "frozen graph or SavedModel of the original Inception network"
    )
    keras_inception_weights: str | None = setting(
        None, "weights file of Keras's InceptionV3; else downloaded"
    )
    cache_dir: str | pathlib.Path | None = setting(  # noqa: RUF009 (a field)
        None, "for classifiers and features of real data; ~/.cache/tf_sintrovae by default"
    )
    batch_statistics: bool = setting(
        False, "also measure samples decoded with the batch-norm statistics of their own batch"
    )
    num_points: int = 5_000
    num_posterior_samples: int = 100
    num_class_samples: int = 1_000
    gnelbo_grid: int = 1_024
    gnelbo_points: int = 12_800
    ood_source: "Source | None" = None

    def counts(self) -> dict[str, int]:
        """Returns the counts among the options, for the results."""
        return {k: v for k, v in vars(self).items() if type(v) is int}

    @property
    def cache(self) -> pathlib.Path:
        """`cache_dir`, or the user's cache folder."""
        if self.cache_dir:
            return user_path(self.cache_dir)
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        return pathlib.Path(base) / "tf_sintrovae"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines a flag for each field with a help text.

    Args:
        values: flags to add to.
    """
    for field in _settings():
        setting_fields.define_flag(field, values)
        least = field.metadata["least"]
        if least is not None:
            flags.register_validator(
                field.name,
                lambda value, least=least: value is None or value >= least,
                f"expected a whole number of at least {least}",
                flag_values=values,
            )
    values.set_default("entropy_batch_size", None)  # not given: the run decides


def from_flags(values: flags.FlagValues = flags.FLAGS) -> Options:
    """Returns the options that the parsed flags give; those that were not given have their defaults.

    Args:
        values: parsed flags.
    """
    given: dict[str, Any] = {field.name: values[field.name].value for field in _settings()}
    given["feature_networks"] = tuple(given["feature_networks"])
    return Options(**{name: value for name, value in given.items() if value is not None})


def _settings() -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(Options) if "help" in field.metadata]
