"""A sample of examples: of the size asked for, seeded, and with every class in its share."""

import numpy as np
import pytest

from tf_sintrovae.data.subsets import choose_rows

SORTED = np.repeat(np.arange(10), 700)
UNEVEN = np.repeat([0, 1, 2, 5], [900, 90, 9, 1])


@pytest.mark.parametrize("limit", [1, 3, 10, 43, 1000, 6999])
@pytest.mark.parametrize("labels", [SORTED, UNEVEN, None], ids=["sorted", "uneven", "none"])
def test_rows_are_as_many_as_asked_for_sorted_and_distinct(labels, limit):
    size = 7000 if labels is None else len(labels)
    rows = choose_rows(labels, size, limit, seed=0)
    assert len(rows) == min(limit, size)
    assert (np.diff(rows) > 0).all() and rows[0] >= 0 and rows[-1] < size


def test_each_class_has_its_share():
    rows = choose_rows(SORTED, 7000, 1000, seed=0)
    assert np.bincount(SORTED[rows]).tolist() == [100] * 10
    rows = choose_rows(SORTED, 7000, 43, seed=0)
    assert set(np.bincount(SORTED[rows])) == {4, 5}
    rows = choose_rows(UNEVEN, 1000, 200, seed=0)
    # Of 180, 18, 1.8 and 0.2; the one of the last class is missing from the third.
    assert np.bincount(UNEVEN[rows]).tolist() == [180, 18, 1, 0, 0, 1]


def test_rare_classes_are_there_where_the_limit_allows():
    for limit in (4, 5, 20):
        assert set(UNEVEN[choose_rows(UNEVEN, 1000, limit, seed=0)]) == {0, 1, 2, 5}
    # Fewer than classes: which of equally large ones is drawn by lot.
    found = {tuple(np.unique(SORTED[choose_rows(SORTED, 7000, 2, seed)])) for seed in range(5)}
    assert len(found) > 1


def test_the_choice_depends_on_the_seed_alone_and_reaches_everywhere():
    first, again = (choose_rows(SORTED, 7000, 1000, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first) & set(choose_rows(SORTED, 7000, 1000, seed=4))) < 300
    for labels in (SORTED, None):
        # Uniform over the rows: the mean is 3500 with a standard deviation of about 60.
        assert choose_rows(labels, 7000, 1000, seed=2**40).mean() == pytest.approx(3500, abs=250)


@pytest.mark.parametrize("limit", [None, 7000, 8000])
def test_without_a_limit_all_rows_are_chosen(limit):
    np.testing.assert_array_equal(choose_rows(SORTED, 7000, limit, seed=0), np.arange(7000))
