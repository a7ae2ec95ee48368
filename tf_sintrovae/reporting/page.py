"""The report of a run as one HTML page, without scripts and without anything from elsewhere."""

import datetime
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tf_sintrovae.reporting import chosen_settings, pictures, run_curves
from tf_sintrovae.reporting.cautions import find_cautions
from tf_sintrovae.reporting.component_charts import component_charts
from tf_sintrovae.reporting.html_parts import definitions, figure, join, section, table, write_page
from tf_sintrovae.reporting.metric_tables import metric_tables
from tf_sintrovae.reporting.run_files import RunFiles

_REFRESH_SECONDS = 60  # of the page of a run that goes on


def report_page(run: RunFiles) -> str:
    """The report of a run.

    Args:
        run: what its files tell.

    Returns:
        The text of an HTML file that any browser shows offline.
    """
    sections = [
        _head(run),
        _cautions(run),
        section("The run", _facts(run), _settings(run)),
        _curves(run),
        _pictures(run),
        _components(run),
        _metrics(run),
        _foot(),
    ]
    refresh = _REFRESH_SECONDS if run.state.name == "running" else None
    return write_page(f"{run.name}: {run.state.name}", join(sections), refresh)


def duration(seconds: float) -> str:
    """A time in words: `2 h 05 min`, `3 min 07 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def progress(run: RunFiles) -> str:
    """How far a run has come, in words."""
    done = run.history.last.get("epoch", 0)
    text = f"epoch {done} of {run.settings.epochs}"
    stage = run.history.last.get("stage")
    return f"{text}, {stage} stage" if stage else text


def _head(run: RunFiles) -> Markup:
    return Markup(
        '<header><h1>{name}</h1><p><span class="state {state}">{state}</span> {progress}</p>'
        "<p>{sentence}</p></header>"
    ).format(
        name=run.name, state=run.state.name, progress=progress(run), sentence=run.state.sentence
    )


def _cautions(run: RunFiles) -> Markup:
    found = find_cautions(run)
    items = join(
        Markup('<li class="{}"><b>{}</b> <span>{}</span></li>').format(
            caution.severity, caution.severity, caution.sentence
        )
        for caution in found
    )
    return section("To look at", Markup('<ul class="cautions">{}</ul>').format(items), when=found)


def _facts(run: RunFiles) -> Markup:
    """Data, time, machine and versions."""
    record = run.record
    machine = record.get("machine")
    versions = record.get("versions") or run.results.get("versions")
    facts = {
        "data": _data(run),
        "progress": progress(run) + (_rate(record) if run.state.name == "running" else ""),
        "time": _time(record),
        "machine": _machine(machine) if isinstance(machine, dict) else "",
        "versions": _pairs(versions) if isinstance(versions, dict) else "",
        "best so far": _best(run.best),
    }
    return definitions({name: text for name, text in facts.items() if text})


def _data(run: RunFiles) -> str:
    count, shape = run.data.get("count"), run.data.get("shape")
    if not isinstance(shape, list):
        return run.settings.dataset
    size = f"{count:,} training examples" if isinstance(count, int) else "an endless stream"
    return f"{run.settings.dataset}: {size} of shape {'x'.join(map(str, shape))}"


def _rate(record: Mapping[str, Any]) -> str:
    rate = record.get("examples_per_second")
    return f", {rate:,.0f} examples/s" if isinstance(rate, int | float) else ""


def _time(record: Mapping[str, Any]) -> str:
    seconds, starts = record.get("seconds"), record.get("starts")
    if not isinstance(seconds, int | float):
        return ""
    text = f"{duration(seconds)} in all, begun {_day(record.get('started'))}"
    return f"{text}, started {starts} times" if isinstance(starts, int) and starts > 1 else text


def _day(text: Any) -> str:
    """`2026-01-31 12:00 UTC` of a time of the record."""
    try:
        return f"{datetime.datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return "at an unknown time"


def _machine(machine: Mapping[str, Any]) -> str:
    devices = machine.get("devices")
    gpus = ", ".join(map(str, devices)) if isinstance(devices, list) and devices else "no GPU"
    return (
        f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('memory_gib')} GiB, {gpus}, "
        f"{machine.get('system')}, Python {machine.get('python')}"
    )


def _pairs(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _best(best: Mapping[str, Any]) -> str:
    value = best.get("value")
    if not isinstance(value, int | float):
        return ""
    return f"{best.get('metric')} {value:.4g} at epoch {best.get('epoch')}, kept in best/"


def _settings(run: RunFiles) -> Markup:
    preset = chosen_settings.nearest_preset(run.settings)
    own = chosen_settings.differences(run.settings, preset)
    as_text = chosen_settings.as_text
    rows = [(d.name, as_text(d.value), as_text(d.usual), d.meaning) for d in own]
    title = f"Settings that differ from those of --preset={preset}"
    listed = (
        table(("setting", "here", "preset", "what it is"), rows) if rows else Markup("<p>None.</p>")
    )
    command = chosen_settings.command(run.settings, preset) or (
        "python -m tf_sintrovae.main --flagfile=flags.txt --workdir=FOLDER"
    )
    repeated = Markup("<h3>The command that repeats it</h3><pre>{}</pre>").format(command)
    return join([Markup("<h3>{}</h3>").format(title), listed, repeated])


def _curves(run: RunFiles) -> Markup:
    charts = run_curves.groups([(run.name, run.history)], run.settings, run.record)
    if not charts:
        return section("Curves", Markup("<p>No epoch is complete yet.</p>"))
    return section("Curves", Markup("<p>{}</p>").format(run_curves.LEGEND), *charts)


def _pictures(run: RunFiles) -> Markup:
    shown = [_picture(run, name) for name in pictures.CAPTIONS if name in run.pictures]
    grid = Markup('<div class="pictures">{}</div>').format(join(shown))
    return section("Pictures", grid, when=shown)


def _picture(run: RunFiles, name: str) -> Markup:
    picture = pictures.inline(run.pictures[name])
    if picture is None:
        text = f"{run.pictures[name].name} is too large, or damaged"
        picture = pictures.Picture(Markup("<p>{}</p>").format(text), False)
    return figure(picture.element, pictures.CAPTIONS[name], is_wide=picture.is_wide)


def _components(run: RunFiles) -> Markup:
    charts = component_charts(run.components)
    return section("Components of the prior", *charts, when=charts)


def _metrics(run: RunFiles) -> Markup:
    tables: list[Markup] = []
    for results, name in ((run.results, ""), (run.results_best, "The best checkpoint")):
        made = metric_tables(results)
        if name and made:
            tables.append(Markup("<h2>{}</h2>").format(f"{name}: epoch {results.get('epoch')}"))
        tables += made
    return section("Metrics", *tables, when=tables)


def _foot() -> Markup:
    now = datetime.datetime.now(datetime.UTC)
    return Markup("<p class=soft>{}</p>").format(
        f"Written {now:%Y-%m-%d %H:%M:%S} UTC; python -m tf_sintrovae.report FOLDER makes it anew."
    )
