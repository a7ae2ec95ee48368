"""What in a run deserves a look: divergence, inactive components, saturated terms, batch-norm drift."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tf_sintrovae.reporting.run_files import RunFiles

# Under this an exponential term's gradient is lost beside those of the other terms in float32.
_VANISHED = 1e-6
_FULL = 0.99
_OUTGROWN = 2.0
# Reconstructions in inference mode that are so many times worse than in training mode.
_DRIFT = 2.0
_WORSE_FID = 1.5


class Caution(NamedTuple):
    """Something that deserves a look.

    Attributes:
        severity: `error` where the run or its result is spoilt, else `warning`.
        sentence: what was seen, and what to do.
    """

    severity: str
    sentence: str


def find_cautions(run: RunFiles) -> list[Caution]:
    """All cautions about a run, the gravest first."""
    checks: tuple[Callable[[RunFiles], Iterator[Caution]], ...] = (
        _divergence,
        _failures,
        _inactive_components,
        _saturation,
        _batch_norm,
        _files,
    )
    found = [caution for check in checks for caution in check(run)]
    return sorted(found, key=lambda caution: caution.severity != "error")


def _divergence(run: RunFiles) -> Iterator[Caution]:
    if run.state.name == "diverged":
        yield Caution("error", run.state.sentence)
    rollbacks = run.history.counts["rollback"]
    if rollbacks:
        yield Caution(
            "warning",
            f"Training diverged and went back to a checkpoint at halved rates (rollbacks: {rollbacks}): "
            "a lower learning_rate or beta_neg may train better from the start.",
        )


def _failures(run: RunFiles) -> Iterator[Caution]:
    if run.state.name == "failed":
        yield Caution("error", run.state.sentence)
    for results, whose in ((run.results, ""), (run.results_best, " of the best checkpoint")):
        errors = results.get("errors")
        for name, text in errors.items() if isinstance(errors, dict) else ():
            yield Caution("warning", f"The metrics {name}{whose} failed: {text}")


def _inactive_components(run: RunFiles) -> Iterator[Caution]:
    metrics = _metrics(run)
    for key, metric, what in (
        ("inactive", "inactive_components", "a weight"),
        (
            "inactive_by_responsibility",
            "inactive_components_by_responsibility",
            "a share of the data",
        ),
    ):
        inactive = run.components.get(key, metrics.get(metric))
        if isinstance(inactive, int | float) and inactive > 0:
            yield Caution(
                "warning",
                f"{inactive:.0f} of {run.settings.num_components} components have {what} under 1/K²: they "
                "are inactive. A larger responsibility_reg keeps components in use; fewer of them "
                "(num_components) may do.",
            )


def _saturation(run: RunFiles) -> Iterator[Caution]:
    for name, what in (("exp_elbo_fake", "samples"), ("exp_elbo_rec", "reconstructions")):
        value = run.history.recent(name)
        if value is None:
            continue
        if value < _VANISHED:
            yield Caution(
                "warning",
                f"{name} is {value:.2g}: the encoder's exponential term of {what} has vanished and teaches "
                "nothing. A lower alpha, beta_neg or beta_rec brings it back.",
            )
        if value > _OUTGROWN:
            yield Caution(
                "warning",
                f"{name} is {value:.2g}, far over 1: the Monte Carlo KL of {what} falls under 0, and the "
                "term rules all others. More num_mc_samples, or a lower alpha or beta_neg, hold it.",
            )
        elif value > _FULL:
            yield Caution(
                "warning",
                f"{name} is {value:.2g}, nearly its greatest: the encoder does not tell {what} from data. A "
                "higher beta_neg or alpha sharpens the term.",
            )


def _batch_norm(run: RunFiles) -> Iterator[Caution]:
    ratio = _error_ratio(run)
    if ratio is not None and ratio > _DRIFT:
        yield Caution(
            "warning",
            f"Reconstructions of the training set have {ratio:.1f} times the error with the kept batch-norm "
            "statistics that they had in training with each batch's own: batch norm has drifted. See that "
            "refresh_batch_norm is on, or train longer with a lower rate.",
        )
    for name, value in _metrics(run).items():
        other = _metrics(run).get(name.replace("fid/", "fid_batch_statistics/"))
        if name.startswith("fid/") and other is not None and value > _WORSE_FID * other:
            yield Caution(
                "warning",
                f"{name} is {value:.4g}, but {other:.4g} with each batch's own batch-norm statistics: batch "
                "norm has drifted. See that refresh_batch_norm is on.",
            )


def _error_ratio(run: RunFiles) -> float | None:
    """The training set's error of reconstructions in inference mode over that of the last epochs."""
    shape = run.data.get("shape")
    trained, measured = run.history.recent("rec"), _metrics(run).get("mse_train")
    if trained is None or measured is None or not isinstance(shape, list) or len(shape) != 3:
        return None
    size = math.prod(side for side in shape if isinstance(side, int))
    return measured * size / trained if trained > 0 else None


def _metrics(run: RunFiles) -> dict[str, float]:
    metrics = run.results.get("metrics")
    pairs = metrics.items() if isinstance(metrics, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, int | float)}


def _files(run: RunFiles) -> Iterator[Caution]:
    if run.unreadable:
        names = ", ".join(run.unreadable)
        yield Caution("warning", f"Cannot be read and is left out: {names}.")
    if run.history.damaged:
        yield Caution(
            "warning", f"Damaged lines of history.jsonl that are left out: {run.history.damaged}."
        )
