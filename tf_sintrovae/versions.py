"""Which versions made a number."""

import importlib.metadata

from tf_sintrovae import __version__


def versions() -> dict[str, str]:
    """Versions of this package and of those that the numbers depend on."""
    names = ("tensorflow", "keras", "tensorflow-probability", "numpy", "scikit-learn")
    return {"tf-sintrovae": __version__} | {n: importlib.metadata.version(n) for n in names}
