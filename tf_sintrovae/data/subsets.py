"""Which examples stand for all of them where a metric takes only some."""

import numpy as np


def choose_rows(labels: np.ndarray | None, size: int, limit: int | None, seed: int) -> np.ndarray:
    """Draws a seeded sample of examples in which each class has its share.

    The first examples of a data set will not do: many are stored class by class.

    Args:
        labels: [size] class of each example; None where there are no classes.
        size: number of examples.
        limit: number of examples to choose; None, or `size` and more, chooses all.
        seed: seed of the choice.

    Returns:
        Row numbers [min(limit, size)] in increasing order, without repetition. Each class is represented in
        proportion to its size (rounded), and by one example at least where `limit` allows that.
    """
    if limit is None or limit >= size:
        return np.arange(size)
    generator = np.random.default_rng([seed, size, limit])
    if labels is None:
        return np.sort(generator.choice(size, limit, replace=False))
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shares = _shares(sizes, limit, generator)
    rows = [
        generator.choice(np.flatnonzero(classes == index), share, replace=False)
        for index, share in enumerate(shares)
    ]
    return np.sort(np.concatenate(rows))


def _shares(sizes: np.ndarray, limit: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers of examples of each class that make `limit` in all, by largest remainders; lots break ties."""
    exact = sizes * (limit / sizes.sum())
    least = int(limit >= len(sizes))
    shares = np.maximum(np.floor(exact).astype(int), least)
    lot = generator.uniform(0.0, 1e-9, len(sizes))
    while shares.sum() < limit:
        shares[np.argmax(exact - shares + lot)] += 1
    while shares.sum() > limit:  # rare classes were given more than their share
        excess = np.where(shares > least, shares - exact + lot, -np.inf)
        shares[np.argmax(excess)] -= 1
    return shares
