"""Chooses measures and takes them."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import images, latents, likelihood, plane
from tf_sintrovae.evaluation.context import Context, Options
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork

_logger = logging.getLogger(__name__)

# What suits any data, and what needs images, labels or a plane; each name is a function of that module.
_ANY = {
    "elbo": likelihood.elbo,
    "iwae": likelihood.iwae,
    "drift": likelihood.drift,
    "components": latents.components,
    "component_shares": latents.component_shares,
    "active_units": latents.active_units,
}
_IMAGES = {
    "sample_quality": images.sample_quality,
    "reconstruction_quality": images.reconstruction_quality,
}
_LABELLED = {
    "representation": latents.representation,
    "clustering": latents.clustering,
}
_LABELLED_IMAGES = {"class_coverage": images.class_coverage}
_PLANE = {"divergences": plane.divergences, "gnelbo": plane.gnelbo}
_MODES = {"modes": plane.modes}
_OOD = {"ood": likelihood.ood}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Figures and what is needed to repeat them.

    Attributes:
        figures: figures by name; means over the seeds.
        spread: standard deviation over the seeds, by name; empty for one seed.
        seeds: seeds that were used.
        counts: numbers of samples, images and the like: those that were taken, where the data had fewer.
        networks: feature networks by name: hashes, accuracy.
        errors: what went wrong, in one line, by the name of the measure; it has no figures.
        complete: whether all measures were tried, with all seeds.
    """

    figures: dict[str, float]
    spread: dict[str, float]
    seeds: list[int]
    counts: dict[str, int]
    networks: dict[str, dict[str, Any]]
    errors: dict[str, str] = dataclasses.field(default_factory=dict)
    complete: bool = True


def applicable(source: Source, options: Options | None = None) -> tuple[str, ...]:
    """Names of the measures that suit a data set."""
    return tuple(_measures(source, options or Options()))


def evaluate(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    options: Options | None = None,
) -> dict[str, float]:
    """All chosen measures of a model on a data set.

    Args:
        model: has `signatures: Mapping[str, callable]` as docs/evaluation.md tells.
        source: the data set.
        metrics: names out of `applicable(source, options)`; all of them when None.
        seed: seed of all draws.
        progress: called with the name of each measure before it is taken.
        options: counts, networks, caches.

    Returns:
        Figures by name.

    Raises:
        UserError: a measure that does not exist, does not suit or fails, or a model made for another shape
            of data.
    """
    outcome = measure(model, source, metrics, (seed,), progress, options)
    for name, error in outcome.errors.items():
        raise UserError(f"measure {name} on {source.name}: {error}; leave it out with --metrics")
    return outcome.metrics


def measure(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0,),
    progress: Callable[[str], None] | None = None,
    options: Options | None = None,
    record: Callable[[Outcome], None] | None = None,
) -> Outcome:
    """As `evaluate`, for one or several seeds, with what is needed to repeat the figures.

    A measure that fails does not keep the others from being taken: it has an entry in `Outcome.errors`, and
    is not tried with further seeds.

    Args:
        model: as in `evaluate`.
        source: the data set.
        metrics: as in `evaluate`.
        seeds: at least one.
        progress: as in `evaluate`.
        options: as in `evaluate`.
        record: called after each measure with the outcome so far, so that a process that is stopped does
            not lose it.

    Raises:
        UserError: a measure that does not exist or suit, or a model made for another shape of data.
    """
    options = options or Options()
    measures = check_metrics(source, metrics, options)
    _check_shape(model.signatures, source, options)
    taken = _Taken(options)
    for seed in seeds:
        context = taken.begin(Context(model, source, seed, options, taken.networks))
        for name, function in measures.items():
            if progress is not None:
                progress(name if len(seeds) == 1 else f"{name} (seed {seed})")
            taken.take(name, function, context)
            if record is not None:
                record(taken.outcome(complete=False))
    return taken.outcome(complete=True)


class _Taken:
    """Measures as they are taken, and what they give so far.

    Args:
        options: of the evaluation.

    Attributes:
        networks: feature networks, shared by the seeds' contexts.
    """

    def __init__(self, options: Options):
        self.networks: dict[str, FeatureNetwork] = {}
        self._options = options
        self._contexts: list[Context] = []
        self._figures: list[dict[str, dict[str, float]]] = []  # by seed and measure
        self._errors: dict[str, str] = {}

    def begin(self, context: Context) -> Context:
        """Starts with another seed, that of `context`."""
        self._contexts.append(context)
        self._figures.append({})
        return context

    def take(self, name: str, function: Callable, context: Context) -> None:
        """Takes a measure, unless it failed with another seed."""
        if name in self._errors:
            return
        try:
            self._figures[-1][name] = _finite(function(context))
        except Exception as error:  # whatever it is, it must not cost the other measures
            _logger.debug("measure %s failed", name, exc_info=True)
            self._errors[name] = in_one_line(error)

    def outcome(self, complete: bool) -> Outcome:
        """What there is by now."""
        values: dict[str, list[float]] = {}
        for taken in self._figures:
            for name, figures in taken.items():
                for key, value in figures.items() if name not in self._errors else ():
                    values.setdefault(key, []).append(value)
        used = {network.name: network.info for network in self.networks.values()}
        return Outcome(
            {name: float(np.mean(v)) for name, v in values.items()},
            {name: float(np.std(v, ddof=1)) for name, v in values.items() if len(v) > 1},
            [context.seed for context in self._contexts],
            self._options.counts() | self._contexts[-1].counts,
            used,
            dict(self._errors),
            complete,
        )


def in_one_line(error: Exception) -> str:
    """What an exception says, on one line; with its kind where the text alone may not tell enough."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, (UserError, ValueError, ArithmeticError)) and text:
        return text
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _finite(figures: dict[str, float]) -> dict[str, float]:
    bad = [f"{name} is {value}" for name, value in figures.items() if not np.isfinite(value)]
    if bad:
        raise ValueError(", ".join(bad))
    return figures


def _measures(source: Source, options: Options) -> dict[str, Callable]:
    is_plane = source.plot_range is not None
    has_modes = is_plane and (source.centres is not None or source.radii is not None)
    is_labelled = source.num_train is not None and source.num_classes > 1
    # The default feature network learns from labels; one that the user names does not need any.
    is_comparable = source.is_image and (
        is_labelled or "classifier" not in options.feature_networks
    )
    return (
        _ANY
        | (_LABELLED if is_labelled else {})
        | (_LABELLED_IMAGES if is_labelled and source.is_image else {})
        | (_IMAGES if is_comparable else {})
        | (_PLANE if is_plane else {})
        | (_MODES if has_modes else {})
        | (_OOD if options.ood_source is not None else {})
    )


def check_metrics(
    source: Source, metrics: tuple[str, ...] | None = None, options: Options | None = None
) -> dict[str, Callable]:
    """The measures that names ask for.

    Args:
        source: the data set.
        metrics: names out of `applicable(source, options)`; all of them when None or empty.
        options: counts, networks, caches.

    Returns:
        Functions of a `Context` by name.

    Raises:
        UserError: a measure or a feature network that does not exist or suit.
    """
    options = options or Options()
    known = _measures(source, options)
    for name in metrics or ():
        if name not in known:
            raise UserError(
                f"metrics={name}: for {source.name}, expected some of {', '.join(known)}"
            )
    for name in options.feature_networks:
        if name not in images.NETWORKS:
            raise UserError(
                f"feature_networks={name}: expected some of {', '.join(images.NETWORKS)}"
            )
    return {name: known[name] for name in metrics or known}


def _check_shape(signatures: Mapping, source: Source, options: Options) -> None:
    missing = {"encode", "decode", "sample", "responsibilities", "score", "prior"} - set(signatures)
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
