"""Charts of how a prior's components are used."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from tf_sintrovae.reporting import charts
from tf_sintrovae.reporting.html_parts import figure, join

_MOST_BARS = 64
_MOST_ROWS = 30


def component_charts(use: Mapping[str, Any]) -> list[Markup]:
    """Weights and responsibilities by component, and classes by component where there are labels.

    Args:
        use: content of `components.json`.

    Returns:
        Parts of the page; none where the content is not what `component_use` gives.
    """
    numbers, weights, shares = (_numbers(use.get(k)) for k in _LISTS)
    if not len(numbers) or not len(numbers) == len(weights) == len(shares):
        return []
    names = [f"{number:.0f}" for number in numbers]
    parts = [_bars(use, names, weights, shares)]
    classes = _table(use.get("classes"))
    if classes is not None and len(classes) == len(names) and len(names) > 1:
        parts.append(_classes(names, classes))
    return [Markup('<div class="pictures">{}</div>').format(join(parts))]


_LISTS = ("components", "weights", "responsibilities")


def _bars(
    use: Mapping[str, Any], names: list[str], weights: np.ndarray, shares: np.ndarray
) -> Markup:
    first = slice(0, _MOST_BARS)
    bars = {
        "weight": weights[first].tolist(),
        "mean responsibility for test examples": shares[first].tolist(),
    }
    shown = f"the {_MOST_BARS} heaviest of them, " if len(names) > _MOST_BARS else ""
    text = (
        f"{use.get('num_components')} components, {shown}heaviest first; bars of one height are right where "
        "data and prior agree. "
        f"Inactive (under 1/K²): {use.get('inactive')} by weight, "
        f"{use.get('inactive_by_responsibility')} by responsibility."
    )
    chart = charts.bar_chart("weights and responsibilities by component", names[first], bars)
    return figure(chart, "Weights and responsibilities by component", text, is_wide=True)


def _classes(names: list[str], classes: np.ndarray) -> Markup:
    first = slice(0, _MOST_ROWS)
    columns = [str(number) for number in range(classes.shape[1])]
    chart = charts.heat_map("classes by component", names[first], columns, classes[first])
    return figure(
        chart,
        "Components (rows, heaviest first) by class (columns)",
        "Share of the test examples; one bright place a row: the component stands for that class.",
    )


def _numbers(values: Any) -> np.ndarray:
    """A list of finite numbers as an array; empty for anything else."""
    try:
        array = np.asarray(values, np.float64)
    except (ValueError, TypeError):
        return np.zeros(0)
    return array if array.ndim == 1 and np.isfinite(array).all() else np.zeros(0)


def _table(values: Any) -> np.ndarray | None:
    try:
        array = np.asarray(values, np.float64)
    except (ValueError, TypeError):
        return None
    return array if array.ndim == 2 and array.size and np.isfinite(array).all() else None
