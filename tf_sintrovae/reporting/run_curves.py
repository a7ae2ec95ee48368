"""The curves of one run, or of several one over the other, a panel a metric, grouped by player."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tf_sintrovae.config import Config
from tf_sintrovae.reporting import charts, explanations
from tf_sintrovae.reporting.history_reader import HistoryReader
from tf_sintrovae.reporting.html_parts import figure, join

LEGEND = (
    "Means over each epoch. Dotted lines: the VampPrior becomes a free mixture, and the introspective stage "
    "begins; in red, where training diverged. Dashed: on the test split."
)
_VALIDATION = "val_"
_SHARED = ("loss", "rec", "kl")
_ENCODER = ("encoder_loss", "exp_elbo_rec", "exp_elbo_fake")
_DECODER = ("decoder_loss", "kl_rec", "kl_fake")
_PRIOR = ("assignment_entropy",)
_MOST_RUNS = len(charts.COLOURS)
_MOST_PANELS = 40


def groups(
    runs: Sequence[tuple[str, HistoryReader]], settings: Config, record: Mapping[str, Any]
) -> list[Markup]:
    """Panels under the headings of the players.

    Args:
        runs: names and histories of the runs; at most `len(charts.COLOURS)` are drawn.
        settings: settings of the first run, by which stages are marked.
        record: content of the first run's `run.json`.

    Returns:
        A part of the page for each group; none before the first epoch.
    """
    drawn = runs[:_MOST_RUNS]
    names = list(dict.fromkeys(name for _, history in drawn for name in history.metrics))
    names = [name for name in names if not _is_beside(name, names)]
    headings = _headings(settings)
    known = {name for members in headings.values() for name in members}
    headings["Further"] = [name for name in names if name not in known][:_MOST_PANELS]
    marks = stage_marks(drawn[0][1], settings, record) if len(drawn) == 1 else []
    epochs = max(history.last.get("epoch", 0) for _, history in drawn)
    return [
        _group(heading, [name for name in members if name in names], drawn, marks, epochs)
        for heading, members in headings.items()
        if set(members) & set(names)
    ]


def stage_marks(
    history: HistoryReader, settings: Config, record: Mapping[str, Any]
) -> list[charts.Mark]:
    """The epochs at which a run changed, each a vertical line."""
    done = history.last.get("epoch", 0)
    marks = [charts.Mark(each["epoch"], "diverged", "#d24b4b") for each in _divergences(history)]
    hand_over = _epoch_of(record, "hand_over_step")
    if hand_over is None and history.starts.get("introspective"):
        hand_over = settings.hand_over_epoch
    introspection = history.starts.get("introspective", 0) - 1
    for epoch, name in (
        (hand_over, "the prior becomes free"),
        (introspection, "introspective stage"),
    ):
        if epoch is not None and 0 < epoch <= done:
            marks.append(charts.Mark(epoch, name))
    return marks


def _headings(settings: Config) -> dict[str, Sequence[str]]:
    """Metrics by the players that they belong to; a prior that steps with a player shares its loss."""
    encoder, decoder = "Encoder", "Decoder"
    learned = settings.prior == "mixture"
    if learned and settings.prior_player == "encoder":
        encoder += " and prior: they step together"
    if learned and settings.prior_player == "decoder":
        decoder += " and prior: they step together"
    return {"All players": _SHARED, encoder: _ENCODER, decoder: _DECODER, "Prior": _PRIOR}


def _group(
    heading: str,
    names: Sequence[str],
    runs: Sequence[tuple[str, HistoryReader]],
    marks: Sequence[charts.Mark],
    epochs: int,
) -> Markup:
    panels = [
        figure(
            charts.line_chart(name, _lines(name, runs), marks, epochs),
            name,
            explanations.CURVES.get(name, ""),
        )
        for name in names
    ]
    return Markup('<h3>{}</h3><div class="charts">{}</div>').format(heading, join(panels))


def _lines(name: str, runs: Sequence[tuple[str, HistoryReader]]) -> list[charts.Line]:
    """A metric's curve of each run, and beside it the test split's, dashed."""
    lines = []
    for place, (label, history) in enumerate(runs):
        colour = charts.COLOURS[place]
        for metric, style in ((name, "-"), (_VALIDATION + name, "--")):
            found = [c.spans for (n, _), c in history.curves.items() if n == metric and c.spans]
            if found:
                shown = label if len(runs) > 1 and style == "-" else ""
                lines.append(charts.Line(shown, found, colour, style))
    return lines


def _is_beside(name: str, names: Sequence[str]) -> bool:
    """Whether a metric is the test split's of another one, in whose panel it is drawn."""
    return name.startswith(_VALIDATION) and name.removeprefix(_VALIDATION) in names


def _divergences(history: HistoryReader) -> list[dict]:
    return [event for event in history.events if event["event"] == "diverged"]


def _epoch_of(record: Mapping[str, Any], key: str) -> float | None:
    """The epoch of a step in the record; None where there is none."""
    step, size = record.get(key), record.get("steps_per_epoch")
    if not isinstance(step, int) or not isinstance(size, int) or size < 1 or step < 0:
        return None
    return step / size
