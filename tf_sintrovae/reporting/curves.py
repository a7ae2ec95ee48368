"""Curves of a run's history, thinned as they are read: a long run's take no more room than a short one's."""

from typing import NamedTuple

MOST_SPANS = 400  # of a curve; neighbours are merged when there are more


class Span(NamedTuple):
    """Values of neighbouring epochs, merged into one point of a curve.

    Attributes:
        first: first epoch.
        last: last epoch.
        size: number of values.
        mean: their mean.
        low: least of them.
        high: greatest of them.
    """

    first: int
    last: int
    size: int
    mean: float
    low: float
    high: float


class Curve:
    """One metric over the epochs of one stage.

    Args:
        most: even number of spans after which neighbours are merged, which leaves half as many.

    Attributes:
        spans: the values so far, in the order of their epochs; all but the last stand for `width` epochs.
        width: number of epochs in a span.
    """

    def __init__(self, most: int = MOST_SPANS):
        self._most = most
        self.spans: list[Span] = []
        self.width = 1

    def add(self, epoch: int, value: float) -> None:
        """Appends the finite value of a later epoch."""
        span = Span(epoch, epoch, 1, value, value, value)
        if self.spans and self.spans[-1].size < self.width:
            self.spans[-1] = _merge(self.spans[-1], span)
        else:
            self.spans.append(span)
        if len(self.spans) > self._most:
            self._halve()

    def forget(self, epoch: int) -> None:
        """Drops what begins at `epoch` or later: a resumed run repeats it."""
        while self.spans and self.spans[-1].first >= epoch:
            self.spans.pop()

    def recent(self, share: float = 0.1) -> float | None:
        """The mean of the last `share` of the spans, one at least; None without any."""
        if not self.spans:
            return None
        last = self.spans[-max(1, round(share * len(self.spans))) :]
        return sum(s.mean * s.size for s in last) / sum(s.size for s in last)

    def _halve(self) -> None:
        pairs = [self.spans[i : i + 2] for i in range(0, len(self.spans), 2)]
        self.spans = [_merge(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        self.width *= 2


def _merge(one: Span, other: Span) -> Span:
    size = one.size + other.size
    return Span(
        one.first,
        other.last,
        size,
        (one.mean * one.size + other.mean * other.size) / size,
        min(one.low, other.low),
        max(one.high, other.high),
    )
