"""Several runs beside each other on one page: settings that differ, curves, metrics, pictures."""

import dataclasses
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from tf_sintrovae.config import Config
from tf_sintrovae.reporting import charts, chosen_settings, explanations, pictures, run_curves
from tf_sintrovae.reporting.cautions import find_cautions
from tf_sintrovae.reporting.html_parts import figure, join, section, table, write_page
from tf_sintrovae.reporting.metric_tables import is_shown, numbers
from tf_sintrovae.reporting.page import duration, progress
from tf_sintrovae.reporting.run_files import RunFiles

MOST_RUNS = len(charts.COLOURS)  # that can be told apart
_PICTURES = ("samples", "reconstructions", "samples_by_component", "latent_space")


def comparison_page(runs: Sequence[RunFiles]) -> str:
    """The page that compares runs.

    Args:
        runs: at least two runs, and at most `MOST_RUNS`.

    Returns:
        The text of an HTML file that any browser shows offline.
    """
    names = run_names(runs)
    sections = [
        Markup("<header><h1>{}</h1></header>").format(" / ".join(names)),
        section("The runs", _overview(names, runs), _settings(names, runs)),
        section("Curves", *_curves(names, runs)),
        _metrics(names, runs),
        _pictures(names, runs),
    ]
    return write_page(f"{len(runs)} runs", join(sections))


def run_names(runs: Sequence[RunFiles]) -> list[str]:
    """The names of the runs' folders, with the folders above as far as it takes to tell them apart."""
    parts = [run.root.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({place})" for place, name in enumerate(names, start=1)]


def _overview(names: Sequence[str], runs: Sequence[RunFiles]) -> Markup:
    rows = []
    for name, colour, run in zip(names, charts.COLOURS, runs, strict=False):
        seconds = run.record.get("seconds")
        cautions = find_cautions(run)
        rows.append(
            (
                Markup('<b style="color: {}">{}</b>').format(colour, name),
                run.state.name,
                progress(run),
                duration(seconds) if isinstance(seconds, int | float) else "",
                str(len(cautions) or ""),
            )
        )
    return table(("run", "state", "progress", "time", "to look at"), rows, numbers=(4,))


def _settings(names: Sequence[str], runs: Sequence[RunFiles]) -> Markup:
    title = Markup("<h3>Settings that differ</h3>")
    rows = []
    for field in dataclasses.fields(Config):
        values = [getattr(run.settings, field.name) for run in runs]
        if field.name not in chosen_settings.OF_THE_PLACE and any(
            value != values[0] for value in values
        ):
            texts = map(chosen_settings.as_text, values)
            rows.append((field.name, *texts, field.metadata["help"]))
    if not rows:
        return join([title, Markup("<p>None: the runs are of the same settings.</p>")])
    return join([title, table(("setting", *names, "what it is"), rows)])


def _curves(names: Sequence[str], runs: Sequence[RunFiles]) -> list[Markup]:
    pairs = [(name, run.history) for name, run in zip(names, runs, strict=True)]
    panels = run_curves.groups(pairs, runs[0].settings, runs[0].record)
    return panels or [Markup("<p>No epoch is complete yet.</p>")]


def _metrics(names: Sequence[str], runs: Sequence[RunFiles]) -> Markup:
    values = [numbers(run.results.get("metrics")) for run in runs]
    spreads = [numbers(run.results.get("spread")) for run in runs]
    every = dict.fromkeys(name for metrics in values for name in metrics if is_shown(name))
    rows = [_metric_row(name, values, spreads) for name in every]
    head = ("metric", *names, "how to read it")
    places = range(1, len(runs) + 1)
    text = Markup("<p>{}</p>").format(
        "Bold: the best of the row. Differences within what seeds make are none: see the spread of each."
    )
    return section("Metrics", text, table(head, rows, tuple(places)), when=rows)


def _metric_row(
    name: str, values: Sequence[Mapping[str, float]], spreads: Sequence[Mapping[str, float]]
) -> list[str | Markup]:
    explanation = explanations.explain(name)
    found = [metrics[name] for metrics in values if name in metrics]
    pick = {explanations.LESS: min, explanations.MORE: max}.get(explanation.better)
    best = pick(found) if pick is not None and len(set(found)) > 1 else None
    cells: list[str | Markup] = []
    for metrics, spread in zip(values, spreads, strict=True):
        text = f"{metrics[name]:.4g}" if name in metrics else "missing"
        text += f" ± {spread[name]:.2g}" if name in spread else ""
        is_best = best is not None and metrics.get(name) == best
        cells.append(Markup("<b>{}</b>").format(text) if is_best else text)
    return [name, *cells, f"{explanation.sentence} {explanation.better.capitalize()}".strip()]


def _pictures(names: Sequence[str], runs: Sequence[RunFiles]) -> Markup:
    rows = [_side_by_side(picture, names, runs) for picture in _PICTURES]
    shown = [row for row in rows if row]
    return section("Pictures", *shown, when=shown)


def _side_by_side(kind: str, names: Sequence[str], runs: Sequence[RunFiles]) -> Markup:
    """One picture of each run that has it, under a heading; nothing where none has."""
    found = [
        (name, pictures.inline(run.pictures[kind]))
        for name, run in zip(names, runs, strict=True)
        if kind in run.pictures
    ]
    parts = [figure(p.element, name, is_wide=p.is_wide) for name, p in found if p is not None]
    if not parts:
        return Markup("")
    heading = Markup("<h3>{}</h3>").format(pictures.CAPTIONS[kind])
    return join([heading, Markup('<div class="pictures">{}</div>').format(join(parts))])
