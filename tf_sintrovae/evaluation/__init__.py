"""Metrics of a model, taken through its signatures alone.

Names are imported when they are first used: options and flags need no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_sintrovae.evaluation.groups import applicable, check_metrics
    from tf_sintrovae.evaluation.options import Options
    from tf_sintrovae.evaluation.outcome import Outcome, in_one_line
    from tf_sintrovae.evaluation.suite import evaluate, measure

_MODULES = {
    "Options": "options",
    "Outcome": "outcome",
    "applicable": "groups",
    "check_metrics": "groups",
    "evaluate": "suite",
    "in_one_line": "outcome",
    "measure": "suite",
}

__all__ = [
    "Options",
    "Outcome",
    "applicable",
    "check_metrics",
    "evaluate",
    "in_one_line",
    "measure",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
