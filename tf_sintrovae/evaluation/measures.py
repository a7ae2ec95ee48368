"""Chooses measures and takes them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import latents, likelihood, pictures, plane
from tf_sintrovae.evaluation.context import Context, Options

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
    "sample_quality": pictures.sample_quality,
    "reconstruction_quality": pictures.reconstruction_quality,
}
_LABELLED = {
    "representation": latents.representation,
    "clustering": latents.clustering,
}
_LABELLED_IMAGES = {"class_coverage": pictures.class_coverage}
_PLANE = {"divergences": plane.divergences, "gnelbo": plane.gnelbo}
_MODES = {"modes": plane.modes}
_OOD = {"ood": likelihood.ood}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Figures and what is needed to repeat them.

    Attributes:
        figures: by name; means over the seeds.
        spread: standard deviation over the seeds, by name; empty for one seed.
        seeds: that were used.
        counts: of samples, images and the like.
        networks: feature networks by name: hashes, accuracy.
    """

    figures: dict[str, float]
    spread: dict[str, float]
    seeds: list[int]
    counts: dict[str, int]
    networks: dict[str, dict[str, Any]]


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
        seed: of all draws.
        progress: called with the name of each measure before it is taken.
        options: counts, networks, caches.

    Returns:
        Figures by name.

    Raises:
        UserError: a measure that does not exist or suit, or a model made for another shape of data.
    """
    return measure(model, source, metrics, (seed,), progress, options).figures


def measure(
    model: Any,
    source: Source,
    metrics: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0,),
    progress: Callable[[str], None] | None = None,
    options: Options | None = None,
) -> Outcome:
    """As `evaluate`, for one or several seeds, with what is needed to repeat the figures.

    Args:
        model: as in `evaluate`.
        source: the data set.
        metrics: as in `evaluate`.
        seeds: at least one.
        progress: as in `evaluate`.
        options: as in `evaluate`.

    Raises:
        UserError: as `evaluate`.
    """
    options = options or Options()
    measures = _chosen(source, metrics, options)
    _check_shape(model.signatures, source, options)
    runs, networks = [], {}
    for seed in seeds:
        context, figures = Context(model, source, seed, options, networks), {}
        for name, function in measures.items():
            if progress is not None:
                progress(name if len(seeds) == 1 else f"{name} (seed {seed})")
            figures |= _taken(name, function, context)
        runs.append(figures)
    spread = _over(runs, lambda values: np.std(values, ddof=1)) if len(runs) > 1 else {}
    used = {network.name: network.info for network in networks.values()}
    return Outcome(_over(runs, np.mean), spread, list(seeds), options.counts(), used)


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


def _chosen(source: Source, names, options: Options) -> dict[str, Callable]:
    known = _measures(source, options)
    for name in names or ():
        if name not in known:
            raise UserError(
                f"metrics={name}: for {source.name}, expected some of {', '.join(known)}"
            )
    for name in options.feature_networks:
        if name not in pictures.NETWORKS:
            raise UserError(
                f"feature_networks={name}: expected some of {', '.join(pictures.NETWORKS)}"
            )
    return {name: known[name] for name in names or known}


def _taken(name: str, function: Callable, context: Context) -> dict[str, float]:
    """The figures of one measure; data or samples that it cannot be taken of are the user's to know."""
    try:
        return function(context)
    except (ValueError, ArithmeticError) as error:
        raise UserError(
            f"measure {name} on {context.source.name}: {error}; leave it out with --metrics"
        ) from error


def _over(runs: list[dict[str, float]], function: Callable) -> dict[str, float]:
    return {name: float(function([run[name] for run in runs])) for name in runs[0]}


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
