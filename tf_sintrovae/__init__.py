"""Soft-IntroVAE with a learnable multimodal prior, in TensorFlow and Keras.

The public names are imported when they are first used: TensorFlow takes seconds.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that has it.
_HOMES = {
    "ArraySource": "tf_sintrovae.data.sources.arrays",
    "Config": "tf_sintrovae.config",
    "LatentTransformer": "tf_sintrovae.serving.transformer",
    "MixturePrior": "tf_sintrovae.priors",
    "Objective": "tf_sintrovae.objective",
    "SoftIntroVAE": "tf_sintrovae.model",
    "StandardNormalPrior": "tf_sintrovae.priors",
    "UserError": "tf_sintrovae.errors",
    "VampPrior": "tf_sintrovae.priors",
    "WarmStartedMixturePrior": "tf_sintrovae.priors",
    "build_networks": "tf_sintrovae.networks",
    "export": "tf_sintrovae.serving.export",
    "measure": "tf_sintrovae.evaluation",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
