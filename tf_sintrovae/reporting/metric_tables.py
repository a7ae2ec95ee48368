"""Tables of metrics: value, spread over seeds, floor, and how to read it."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tf_sintrovae.evaluation.metric_names import floor_name
from tf_sintrovae.reporting import explanations
from tf_sintrovae.reporting.html_parts import join, table

_MOST_METRICS = 300


def metric_tables(results: Mapping[str, Any]) -> list[Markup]:
    """A table for each group of metrics.

    Args:
        results: content of `results.json`.

    Returns:
        Parts of the page; none where nothing was measured.
    """
    metrics = numbers(results.get("metrics"))
    shown = [name for name in metrics if is_shown(name)][:_MOST_METRICS]
    by_group: dict[str, list[str]] = {}
    for name in shown:
        by_group.setdefault(explanations.explain(name).group, []).append(name)
    tables = [
        join([Markup("<h3>{}</h3>").format(group), _table(names, metrics, results)])
        for group, names in by_group.items()
    ]
    return [_preface(results), *tables] if tables else []


def numbers(values: Any) -> dict[str, float]:
    """The numbers of a mapping; anything else in its place is none."""
    pairs = values.items() if isinstance(values, dict) else ()
    return {str(n): v for n, v in pairs if isinstance(v, int | float) and not isinstance(v, bool)}


def is_shown(name: str) -> bool:
    """Whether a metric has a line of its own: floors stand beside others, shares are drawn as bars."""
    return "_floor/" not in name and not name.startswith("component_share/")


def _preface(results: Mapping[str, Any]) -> Markup:
    seeds = results.get("seeds")
    count = len(seeds) if isinstance(seeds, list) else 1
    spread = (
        f"means over {count} evaluation seeds, with standard deviations"
        if count > 1
        else (
            "of one evaluation seed: python -m tf_sintrovae.evaluate --num_seeds=3 gives a spread"
        )
    )
    partial = " Some are still to be taken." if results.get("partial") else ""
    return Markup("<p>{}</p>").format(
        f"Of epoch {results.get('epoch')}; {spread}. The floor is what the metric is between real data and "
        f"real data: no model does better.{partial}"
    )


def _table(names: list[str], metrics: Mapping[str, float], results: Mapping[str, Any]) -> Markup:
    spread = numbers(results.get("spread"))
    rows = []
    for name in names:
        explanation = explanations.explain(name)
        sentence = f"{explanation.sentence} {explanation.better.capitalize()}".strip()
        floor = metrics.get(floor_name(name))
        rows.append(
            (
                name,
                f"{metrics[name]:.4g}",
                f"± {spread[name]:.2g}" if name in spread else "",
                "" if floor is None else f"{floor:.4g}",
                f"{sentence}." if explanation.better else sentence,
            )
        )
    return table(("metric", "value", "spread", "floor", "how to read it"), rows, numbers=(1, 2, 3))
