"""Curves of any length are thinned to a bounded number of points that still tell all extremes."""

import numpy as np
import pytest

from tf_sintrovae.reporting.curves import Curve, Span


def filled(values, most=4):
    curve = Curve(most)
    for epoch, value in enumerate(values, start=1):
        curve.add(epoch, value)
    return curve


def test_a_short_curve_is_left_as_it_is():
    assert filled([3.0, 1.0]).spans == [Span(1, 1, 1, 3.0, 3.0, 3.0), Span(2, 2, 1, 1.0, 1.0, 1.0)]


def test_neighbours_are_merged_by_hand():
    curve = filled([1.0, 3.0, 5.0, 0.0, 2.0])
    assert curve.width == 2
    assert curve.spans == [
        Span(1, 2, 2, 2.0, 1.0, 3.0),
        Span(3, 4, 2, 2.5, 0.0, 5.0),
        Span(5, 5, 1, 2.0, 2.0, 2.0),
    ]
    curve.add(6, 4.0)
    assert curve.spans[-1] == Span(5, 6, 2, 3.0, 2.0, 4.0)


@pytest.mark.parametrize("count", [5, 64, 1000])
def test_a_long_curve_keeps_its_bound_its_mean_and_its_extremes(count):
    values = np.random.default_rng(count).normal(size=count)
    spans = filled(values, most=8).spans
    assert len(spans) <= 8
    assert sum(span.size for span in spans) == count
    assert sum(span.mean * span.size for span in spans) == pytest.approx(values.sum())
    assert min(span.low for span in spans) == values.min()
    assert max(span.high for span in spans) == values.max()
    assert [span.first for span in spans[1:]] == [span.last + 1 for span in spans[:-1]]


def test_epochs_that_are_repeated_are_forgotten():
    curve = filled([1.0, 2.0, 3.0])
    curve.forget(2)
    curve.add(2, 7.0)
    assert [span.mean for span in curve.spans] == [1.0, 7.0]


def test_the_recent_value_is_the_mean_of_the_last_tenth():
    assert Curve().recent() is None
    assert filled(range(20), most=40).recent() == pytest.approx(18.5)
