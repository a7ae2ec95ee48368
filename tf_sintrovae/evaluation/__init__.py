"""Measures of a model, taken through its signatures alone."""

from tf_sintrovae.evaluation.context import Options
from tf_sintrovae.evaluation.suite import (
    Outcome,
    applicable,
    check_metrics,
    evaluate,
    in_one_line,
    measure,
)

__all__ = [
    "Options",
    "Outcome",
    "applicable",
    "check_metrics",
    "evaluate",
    "in_one_line",
    "measure",
]
