"""What an evaluation gives, also where a part of it fails or is still to come."""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork
from tf_sintrovae.evaluation.options import Options

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Metrics and what is needed to repeat them.

    Attributes:
        metrics: means of the metrics over the seeds, by name.
        spread: standard deviations over the seeds, by name; empty for one seed.
        seeds: seeds that were used.
        counts: numbers of samples, images and the like: those that were taken, where the data had fewer.
        networks: descriptions of the feature networks by name: hashes, accuracy.
        errors: descriptions of failures, each on one line, by the name of the group that is missing.
        complete: whether all groups were tried, with all seeds.
        seconds: seconds that each group took, over all seeds. What several groups need counts for the first
            of them.
    """

    metrics: dict[str, float]
    spread: dict[str, float]
    seeds: list[int]
    counts: dict[str, int]
    networks: dict[str, dict[str, Any]]
    errors: dict[str, str] = dataclasses.field(default_factory=dict)
    complete: bool = True
    # Equal outcomes are those of equal metrics, however long they took.
    seconds: dict[str, float] = dataclasses.field(default_factory=dict, compare=False)


class Collector:
    """Takes groups of metrics, and keeps what they have given so far.

    Args:
        options: options of the evaluation.
        clock: function that returns the time in seconds.

    Attributes:
        networks: feature networks by name, shared by the seeds' contexts.
    """

    def __init__(self, options: Options, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self.networks: dict[str, FeatureNetwork] = {}
        self._options = options
        self._contexts: list[Context] = []
        self._metrics: list[dict[str, dict[str, float]]] = []  # by seed and group
        self._errors: dict[str, str] = {}
        self._seconds: dict[str, float] = {}

    def begin(self, context: Context) -> Context:
        """Starts with another seed, that of `context`."""
        self._contexts.append(context)
        self._metrics.append({})
        return context

    def take(
        self, name: str, function: Callable[[Context], dict[str, float]], context: Context
    ) -> None:
        """Takes a group of metrics, unless it failed with another seed."""
        if name in self._errors:
            return
        start = self._clock()
        try:
            self._metrics[-1][name] = _require_finite(function(context))
        except Exception as error:  # whatever it is, it must not cost the other metrics
            _logger.debug("metrics %s failed", name, exc_info=True)
            self._errors[name] = in_one_line(error)
        self._seconds[name] = self._seconds.get(name, 0.0) + self._clock() - start

    def outcome(self, complete: bool) -> Outcome:
        """Returns what there is by now."""
        values: dict[str, list[float]] = {}
        for groups in self._metrics:
            for name, metrics in groups.items():
                for key, value in metrics.items() if name not in self._errors else ():
                    values.setdefault(key, []).append(value)
        used = {network.name: network.info for network in self.networks.values()}
        return Outcome(
            {name: float(np.mean(v)) for name, v in values.items()},
            {name: float(np.std(v, ddof=1)) for name, v in values.items() if len(v) > 1},
            [context.seed for context in self._contexts],
            self._options.counts() | self._contexts[-1].counts,
            used,
            dict(self._errors),
            complete,
            dict(self._seconds),
        )


def in_one_line(error: Exception) -> str:
    """Says on one line what an exception says; with its kind where the text alone may not tell enough."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, UserError | ValueError | ArithmeticError) and text:
        return text
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _require_finite(metrics: dict[str, float]) -> dict[str, float]:
    bad = [f"{name} is {value}" for name, value in metrics.items() if not np.isfinite(value)]
    if bad:
        raise ValueError(", ".join(bad))
    return metrics
