"""Measures of a model, taken through its signatures alone."""

from tf_sintrovae.evaluation.context import Options
from tf_sintrovae.evaluation.measures import Outcome, applicable, evaluate, measure

__all__ = ["Options", "Outcome", "applicable", "evaluate", "measure"]
