"""Results as JSON, with what is needed to repeat them, and as a table."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.metric_names import floor_name
from tf_sintrovae.evaluation.outcome import Outcome
from tf_sintrovae.files import write_atomically
from tf_sintrovae.versions import versions

# The metrics of a short table, by their names before the network's; its length where it has none of them.
_HEADLINES = (
    *("fid", "precision", "recall", "fid_reconstruction", "sample_classes_found"),
    *("kl_nats", "jsd_nats", "mode_min_share", "high_quality_share"),
    *("knn5_accuracy_mean", "cluster_accuracy"),
    *("elbo_test", "mse_test", "inactive_components", "active_units"),
)
_MOST_LINES = 12


def collect_results(
    outcome: Outcome, source: Source, seed: int, step: int | None, epoch: int | None
) -> dict[str, Any]:
    """Collects the content of `results.json`: the metrics, and what is needed to repeat them.

    `partial` is there, and true, as long as metrics are still to be taken.

    Args:
        outcome: outcome of the evaluation so far.
        source: data set that was evaluated on.
        seed: first seed of the evaluation.
        step: number of optimizer steps that the model was trained; None where it is not known.
        epoch: number of epochs that the model was trained; None where it is not known.
    """
    return ({} if outcome.complete else {"partial": True}) | {
        "step": step,
        "epoch": epoch,
        "seed": seed,
        "seeds": outcome.seeds,
        "dataset": source.name,
        "num_train": source.num_train,
        "versions": versions(),
        "counts": outcome.counts,
        "networks": outcome.networks,
        "metrics": outcome.metrics,
        "spread": outcome.spread,
        "seconds": {name: round(value, 2) for name, value in outcome.seconds.items()},
        "errors": outcome.errors,
    }


def write(content: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes JSON in one step.

    Raises:
        UserError: the path cannot be written.
    """
    try:
        write_atomically(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): give another") from error


def recorder(content: Callable[[Outcome], dict], path: pathlib.Path) -> Callable[[Outcome], None]:
    """Makes a function that writes what was measured so far.

    Args:
        content: function from an outcome to the content of the file.
        path: path of the file; where it cannot be written, the end of the evaluation will tell.
    """

    def record(outcome: Outcome) -> None:
        with contextlib.suppress(UserError):
            write(content(outcome), path)

    return record


def table(outcome: Outcome) -> str:
    """Lists all metrics, a line each, with spread over seeds and floor where there are any.

    Then the seconds that each group of metrics took, and failures.
    """
    names = _names(outcome)
    lines = _lines(outcome, names)
    lines += [_seconds_line(outcome.seconds)] if outcome.seconds else []
    return "\n".join(lines + _failures(outcome, names))


def short_table(outcome: Outcome, path: pathlib.Path) -> str:
    """Lists the metrics that matter most, as `table` does, and says where the others are.

    Args:
        outcome: outcome of the evaluation.
        path: path of the file with all metrics.
    """
    names = _names(outcome)
    headlines = [n for headline in _HEADLINES for n in names if n.partition("/")[0] == headline]
    few = len(names) <= _MOST_LINES
    shown = names if few else headlines or names[:_MOST_LINES]
    lines = _lines(outcome, shown)
    if len(shown) < len(names):
        lines.append(f"  and {len(names) - len(shown)} more metrics in {path}")
    return "\n".join(lines + _failures(outcome, shown))


def _names(outcome: Outcome) -> list[str]:
    """Names of the metrics; floors stand beside what they are the floors of."""
    return [name for name in outcome.metrics if "_floor/" not in name]


def _lines(outcome: Outcome, names: Sequence[str]) -> list[str]:
    """A line for each metric."""
    width = _width(outcome, names)
    lines = []
    for name in names:
        spread = f" +- {outcome.spread[name]:.2g}" if name in outcome.spread else ""
        floor = outcome.metrics.get(floor_name(name))
        beside = "" if floor is None else f"  (real against real: {floor:.6g})"
        lines.append(f"  {name:{width}}  {outcome.metrics[name]:.6g}{spread}{beside}")
    return lines


def _failures(outcome: Outcome, names: Sequence[str]) -> list[str]:
    """A line for each group of metrics that failed, below lines of the metrics `names`."""
    width = _width(outcome, names)
    return [f"  {name:{width}}  failed: {error}" for name, error in outcome.errors.items()]


def _width(outcome: Outcome, names: Sequence[str]) -> int:
    return max(map(len, [*names, *outcome.errors]), default=0)


def _seconds_line(seconds: Mapping[str, float]) -> str:
    """`seconds: elbo 12.3, iwae 4.5`."""
    return "  seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
