"""A grid of settings: every combination of the levels of its factors."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tf_sintrovae.errors import UserError


class Level(NamedTuple):
    """One of the values that a factor takes.

    Attributes:
        value: how the level is called: its name, or the value of the setting that the factor varies.
        settings: settings that it stands for; `preset` may be among them.
        times: name of a setting that the value is to be multiplied by; None where it stands for itself.
    """

    value: Any
    settings: Mapping[str, Any]
    times: str | None = None


class Point(NamedTuple):
    """A combination of levels.

    Attributes:
        factors: value of each factor, by its name.
        settings: all settings of the point; `preset` may be among them.
    """

    factors: dict[str, Any]
    settings: dict[str, Any]


def expand(grid: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Point]:
    """Yields the points of a grid, the last factor varying fastest.

    Args:
        grid: levels of each factor, by its name: a list of values of the setting of that name; an object of
            settings by the level's name; or `{"values": [...], "times": SETTING}`, whose values are
            multiplied by that setting and rounded to 3 decimals.
        settings: settings that all points begin with; those of later factors win.

    Raises:
        UserError: a factor in none of these forms, or multiplied by a setting that is not there.
    """
    levels = [_levels(name, declared) for name, declared in grid.items()]
    for combination in itertools.product(*levels):
        yield _point(dict(zip(grid, combination, strict=True)), settings)


def _levels(name: str, declared: Any) -> list[Level]:
    """The levels of a factor."""
    if isinstance(declared, Mapping) and declared.keys() == {"values", "times"}:
        return [Level(value, {}, declared["times"]) for value in _values(name, declared["values"])]
    if isinstance(declared, Mapping) and all(isinstance(s, Mapping) for s in declared.values()):
        return [Level(level, chosen) for level, chosen in declared.items()]
    return [Level(value, {name: value}) for value in _values(name, declared)]


def _values(name: str, declared: Any) -> Sequence[Any]:
    if not isinstance(declared, list) or not declared:
        raise UserError(
            f"factor {name}: expected a list of values, an object of settings by level, or an object of "
            f"values and times, not {declared!r}"
        )
    return declared


def _point(levels: Mapping[str, Level], settings: Mapping[str, Any]) -> Point:
    point = Point({}, dict(settings))
    for name, level in levels.items():
        point.settings.update(level.settings)
        point.factors[name] = level.value
        if level.times is not None:
            product = _product(name, level.value, level.times, point.settings)
            point.factors[name] = point.settings[name] = product
    return point


def _product(name: str, value: Any, times: str, settings: Mapping[str, Any]) -> float:
    try:
        return round(value * settings[times], 3)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"factor {name}: {value!r} cannot be multiplied by {times!r}: give numbers, and a setting that "
            "the sweep or a factor before sets"
        ) from error
