"""Grids of settings, expanded to points."""

import pytest

from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps import grid


def test_the_last_factor_varies_fastest():
    points = list(grid.expand({"beta_rec": [1, 2], "beta_kl": [3, 4]}, {"epochs": 5}))
    assert [tuple(p.factors.values()) for p in points] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert points[2].settings == {"epochs": 5, "beta_rec": 2, "beta_kl": 3}


def test_named_levels_stand_for_settings_and_later_factors_win():
    declared = {"variant": {"one": {"prior": "vamp", "seed": 1}, "two": {}}, "prior": ["mixture"]}
    first, second = grid.expand(declared, {"epochs": 5})
    assert first.factors == {"variant": "one", "prior": "mixture"}
    assert first.settings == {"epochs": 5, "prior": "mixture", "seed": 1}
    assert second.settings == {"epochs": 5, "prior": "mixture"}


def test_a_factor_may_be_a_multiple_of_a_setting():
    declared = {"beta_kl": [0.05, 0.3], "beta_neg": {"values": [1, 3], "times": "beta_kl"}}
    points = list(grid.expand(declared, {}))
    assert [p.settings["beta_neg"] for p in points] == [0.05, 0.15, 0.3, 0.9]  # 3 * 0.05 is rounded
    assert points[1].factors == {"beta_kl": 0.05, "beta_neg": 0.15}


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"prior": "mixture"}, "factor prior"),
        ({"prior": []}, "factor prior"),
        ({"prior": {"one": 1}}, "factor prior"),
        ({"beta_neg": {"values": 3, "times": "beta_kl"}}, "factor beta_neg"),
        ({"beta_neg": {"values": [3], "times": "beta_kl"}}, "cannot be multiplied by 'beta_kl'"),
    ],
)
def test_other_forms_are_named(declared, word):
    with pytest.raises(UserError, match=word):
        list(grid.expand(declared, {}))
