"""A prepared image data set of any size, too large for memory if it is to be."""

import numpy as np
import tensorflow_datasets as tfds


class Stripes(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images [64, 64, 3] of horizontal stripes, which compress to nearly nothing.

    Args:
        count: training examples; a hundredth of them, on top, are for tests.
    """

    name = "stripes"
    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, count, **kwargs):
        self._count = count
        super().__init__(**kwargs)

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(num_classes=256),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {
            "train": self._generate_examples(self._count),
            "test": self._generate_examples(self._count // 100),
        }

    def _generate_examples(self, count):
        for index in range(count):
            rows = (np.arange(64) * (1 + index % 7) + index) % 256
            image = np.broadcast_to(rows[:, None, None], (64, 64, 3)).astype(np.uint8)
            yield index, {"image": image, "label": index % 256}


def write_stripes(folder, count) -> str:
    """Prepares them in `folder`; returns the name by which the data set is found there."""
    Stripes(count, data_dir=str(folder)).download_and_prepare()
    return Stripes.name
