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

# Public name -> the module that has it.
_HOMES = {
    "Options": "tf_sintrovae.evaluation.options",
    "Outcome": "tf_sintrovae.evaluation.outcome",
    "applicable": "tf_sintrovae.evaluation.groups",
    "check_metrics": "tf_sintrovae.evaluation.groups",
    "evaluate": "tf_sintrovae.evaluation.suite",
    "in_one_line": "tf_sintrovae.evaluation.outcome",
    "measure": "tf_sintrovae.evaluation.suite",
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
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
