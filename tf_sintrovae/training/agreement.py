"""What all workers of a run must have alike, besides their data."""

import dataclasses
import platform
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae.config import Config

# Settings of one machine, or of what the chief alone does.
_OWN = {"workdir", "data_dir", "max_data_gib", "strategy", "join_seconds", "overwrite"}


def shared_settings(config: Config) -> dict[str, Any]:
    """The settings that must be the same on all workers, by name."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _OWN}


def versions() -> dict[str, str]:
    """The versions on which numbers depend, by name; Python's without its last part."""
    python = platform.python_version().rpartition(".")[0]
    return {
        "Python": python,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
    }
