"""The groups of metrics, by the names that `--metrics` takes, and which data each suits."""

from collections.abc import Callable

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import images, latents, likelihood, plane
from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.options import Options

Group = Callable[[Context], dict[str, float]]

# What suits any data, and what needs images, labels or a plane; each name is a function of that module.
_ANY: dict[str, Group] = {
    "elbo": likelihood.elbo,
    "iwae": likelihood.iwae,
    "drift": likelihood.drift,
    "components": latents.components,
    "component_shares": latents.component_shares,
    "active_units": latents.active_units,
}
_IMAGES: dict[str, Group] = {
    "sample_quality": images.sample_quality,
    "reconstruction_quality": images.reconstruction_quality,
}
_LABELLED: dict[str, Group] = {
    "representation": latents.representation,
    "clustering": latents.clustering,
}
_LABELLED_IMAGES: dict[str, Group] = {"class_coverage": images.class_coverage}
_PLANE: dict[str, Group] = {"divergences": plane.divergences, "gnelbo": plane.gnelbo}
_MODES: dict[str, Group] = {"modes": plane.modes}
_OOD: dict[str, Group] = {"ood": likelihood.ood}


def applicable(source: Source, options: Options | None = None) -> tuple[str, ...]:
    """Returns the names of the groups of metrics that suit a data set.

    Args:
        source: data set to evaluate on.
        options: options of the evaluation; the defaults when None.
    """
    return tuple(_find_groups(source, options or Options()))


def check_metrics(
    source: Source, metrics: tuple[str, ...] | None = None, options: Options | None = None
) -> dict[str, Group]:
    """Looks up groups of metrics by their names.

    Args:
        source: data set to evaluate on.
        metrics: names out of `applicable(source, options)`; all of them when None or empty.
        options: options of the evaluation; the defaults when None.

    Returns:
        Functions of a `Context`, by name.

    Raises:
        UserError: a group or a feature network does not exist or does not suit.
    """
    options = options or Options()
    known = _find_groups(source, options)
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


def _find_groups(source: Source, options: Options) -> dict[str, Group]:
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
