"""Evaluation of a model: takes the chosen groups of metrics, one after the other."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.groups import check_metrics
from tf_sintrovae.evaluation.options import Options
from tf_sintrovae.evaluation.outcome import Collector, Outcome
from tf_sintrovae.evaluation.progress import Progress, tracked

_SIGNATURES = {"encode", "decode", "sample", "responsibilities", "score", "prior"}


def evaluate(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    options: Options | None = None,
) -> dict[str, float]:
    """Evaluates a model on a data set.

    Args:
        model: object with `signatures: Mapping[str, callable]`, as docs/evaluation.md tells.
        source: data set to evaluate on.
        metrics: names of groups of metrics, out of `applicable(source, options)`; all of them when None.
        seed: seed of all draws.
        progress: function called with the name of each group before it is taken, and with the share of
            each longer stage that is done; `ProgressLines` prints them.
        options: options of the evaluation; the defaults when None.

    Returns:
        Metrics by name.

    Raises:
        UserError: a group of metrics does not exist, does not suit or fails, or the model was made for
            another shape of data.
    """
    outcome = measure(model, source, metrics, (seed,), progress, options)
    for name, error in outcome.errors.items():
        raise UserError(f"metrics {name} on {source.name}: {error}; leave them out with --metrics")
    return outcome.metrics


def measure(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0,),
    progress: Progress | None = None,
    options: Options | None = None,
    record: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """Evaluates as `evaluate` does, for one or several seeds, and tells what is needed to repeat it.

    A group of metrics that fails does not keep the others from being taken: it has an entry in
    `Outcome.errors`, and is not tried with further seeds.

    Args:
        model: object with `signatures`, as in `evaluate`.
        source: data set to evaluate on.
        metrics: names of groups of metrics, as in `evaluate`.
        seeds: seeds of all draws, at least one.
        progress: function called with the name of each group before it is taken, and with the share of
            each longer stage that is done; `ProgressLines` prints them.
        options: options of the evaluation; the defaults when None.
        record: function called after each group with the outcome so far, so that a process that is stopped
            does not lose it.

    Returns:
        The outcome over all seeds.

    Raises:
        UserError: a group of metrics does not exist or suit, or the model was made for another shape of data.
    """
    options = options or Options()
    groups = check_metrics(source, metrics, options)
    _check_model(model.signatures, source, options)
    collector = Collector(options)
    for seed in seeds:
        context = collector.begin(Context(model, source, seed, options, collector.networks))
        for name, function in groups.items():
            if progress is not None:
                label = name if len(seeds) == 1 else f"{name} (seed {seed})"
                progress(label)
                context.track = tracked(functools.partial(progress, label))
            collector.take(name, function, context)
            if record is not None:
                record(collector.outcome(complete=False))
    return collector.outcome(complete=True)


def _check_model(signatures: Mapping, source: Source, options: Options) -> None:
    missing = _SIGNATURES - set(signatures)
    if missing:
        raise UserError(
            f"the model lacks the signatures {', '.join(sorted(missing))}: "
            "expected those of docs/evaluation.md"
        )
    other = options.ood_source
    if other is not None and other.shape != source.shape:
        raise UserError(
            f"ood_dataset={other.name} has shape {other.shape}: expected {source.shape} "
            f"as {source.name}; see --image_size"
        )
    try:
        signatures["encode"](x=tf.zeros((1, *source.shape)))
    except (TypeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the model does not take examples of {source.name}, of shape {source.shape}: {reason}"
        ) from error
