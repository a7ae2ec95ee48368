"""Means over seeds and their bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

_LEVEL = 0.95
_RESAMPLES = 9_999


class Estimate(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: the mean.
        low: lower end of the 95 % percentile bootstrap interval; NaN for a single value.
        high: its upper end.
        num_seeds: number of seeds.
    """

    mean: float
    low: float
    high: float
    num_seeds: int


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean of values and its bootstrap interval, the same whenever it is taken; None without values.

    With three to five seeds such an interval is too narrow: it tells of spread, and is no test.
    """
    if not values:
        return None
    if len(values) == 1:
        return Estimate(float(values[0]), math.nan, math.nan, 1)
    interval = scipy.stats.bootstrap(
        (np.asarray(values, np.float64),),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_LEVEL,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(float(np.mean(values)), interval.low, interval.high, len(values))


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate | None:
    """The mean of `first - second` over the seeds that both have; None without any.

    Args:
        first: values by seed.
        second: values by seed.
    """
    seeds = sorted(first.keys() & second.keys())
    return estimate([first[seed] - second[seed] for seed in seeds])
