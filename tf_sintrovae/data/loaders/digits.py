"""scikit-learn's 1,797 handwritten digits, 8x8: real images that need no network."""

import numpy as np
from sklearn import datasets, model_selection

from tf_sintrovae.data.formats import images
from tf_sintrovae.data.loader_options import LoaderOptions
from tf_sintrovae.data.sources.arrays import ArraySource

_NUM_TEST = 360


def load(options: LoaderOptions) -> ArraySource:
    """Loads the digits, `[N, 8, 8, 1]`, pixel / 16, ten classes.

    The split is the same whatever the seed: 1,437 training and 360 test images, stratified by
    class (`sklearn.model_selection.train_test_split` with `random_state=0`).

    Args:
        options: options of the loader, of which `image_size` is heeded.

    Returns:
        The data set.
    """
    digits = datasets.load_digits()
    x = (digits.images[..., None] / 16).astype(np.float32)  # [N, 8, 8, 1]
    x_train, x_test, y_train, y_test = model_selection.train_test_split(
        images.resize(x, options.image_size),
        digits.target,
        test_size=_NUM_TEST,
        stratify=digits.target,
        random_state=0,
    )
    return ArraySource(options.name, x_train, y_train, x_test, y_test)
