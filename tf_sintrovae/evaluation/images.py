"""Metrics of sets of images: samples and reconstructions against the training set."""

import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tf_sintrovae.evaluation.context import Context, draw
from tf_sintrovae.evaluation.feature_networks import classifier, inception
from tf_sintrovae.evaluation.feature_networks.network import FeatureNetwork, cached_features
from tf_sintrovae.evaluation.metrics import representation
from tf_sintrovae.evaluation.metrics.frechet import frechet_distance, statistics
from tf_sintrovae.evaluation.metrics.kernel_distance import kernel_distance, standardise
from tf_sintrovae.evaluation.metrics.manifold import FEWEST, manifold_scores, neighbour_counts

NETWORKS = ("classifier", "inception-2015", "keras-inception-v3")
# A linear SVM of more takes minutes on colour images and tells their classes apart no better.
_CLASSIFIER_EXAMPLES = 5_000


def class_coverage(context: Context) -> dict[str, float]:
    """Classes that a linear SVM on real pixels finds among the samples."""
    x, y = context.source.examples("train", _CLASSIFIER_EXAMPLES, context.seed)
    context.counts["class_coverage_train"] = len(x)
    samples = context.samples(context.options.num_class_samples)
    return representation.class_coverage(x, y, samples, context.source.num_classes, context.track)


def sample_quality(context: Context) -> dict[str, float]:
    """Samples against as many training images, on each feature network.

    On request also samples decoded with the statistics of their own batch, where the decoder has batch norm.
    """
    count = len(context.reference.compared)
    metrics = _scores(context, lambda: context.sample_batches(count), suffix="")
    if context.options.batch_statistics and context.has_batch_statistics:
        metrics |= _scores(
            context,
            lambda: context.sample_batches(count, "sample_batch_statistics"),
            suffix="_batch_statistics",
        )
    return metrics


def reconstruction_quality(context: Context) -> dict[str, float]:
    """Reconstructions from sampled z against their originals in the training set."""
    return _scores(context, lambda: _reconstructions(context), suffix="_reconstruction")


def _reconstructions(context: Context) -> Iterator[np.ndarray]:
    z = context.split(draw(*_compared_posterior(context), context.generator("reconstructions")))
    for part in context.track(z, "reconstructing", len(z)):
        yield context.call("decode", z=part)["x"]


def _compared_posterior(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log-variances [N, L] of the images to compare."""
    reference = context.reference
    if len(reference.pixels) == context.source.num_train:  # other metrics have encoded them
        mean, logvar = context.posterior("train")
        return mean[reference.compared], logvar[reference.compared]
    batches, count = reference.compared_batches(), reference.num_batches
    parts = [
        context.call("encode", x=x)
        for x in context.track(batches, "encoding the images to compare", count)
    ]
    mean, logvar = (np.concatenate([part[key] for part in parts]) for key in ("mean", "logvar"))
    return mean, logvar


def _scores(
    context: Context, fake_batches: Callable[[], Iterable[np.ndarray]], suffix: str
) -> dict[str, float]:
    """All scores on all networks, `<score><suffix>/<network>`, and their floors `<score>_floor/<network>`."""
    metrics: dict[str, float] = {}
    reference = context.reference
    # Before the long work: a network that is missing is told at once.
    for network in [_network(context, name) for name in context.options.feature_networks]:
        features = cached_features(
            network, reference.pixels, context.options.cache, track=context.track
        )
        real = features[reference.compared]
        # The balls around real images are those of samples and of reconstructions.
        remember = functools.partial(context.once, f"radii of {network.name}")
        fake = network.features(fake_batches())
        scores = _compare(context, network, real, fake, real, remember)
        metrics |= {f"{key}{suffix}/{network.name}": value for key, value in scores.items()}
        floors = _floors(context, network, features, real)
        metrics |= {f"{key}_floor/{network.name}": value for key, value in floors.items()}
    return metrics


def _floors(
    context: Context, network: FeatureNetwork, features: np.ndarray, real: np.ndarray
) -> dict[str, float]:
    """The scores of real images: between the two halves; none where the data are too few."""
    first, second = (features[rows] for rows in context.reference.halves)
    context.counts |= {"num_real": len(real), "num_floor": len(first)} | neighbour_counts()
    if len(first) < FEWEST:
        return {}
    if network.name not in context.floors:
        scores = _compare(context, network, first, second, real, lambda search: search())
        context.floors[network.name] = {k: v for k, v in scores.items() if "_error" not in k}
    return context.floors[network.name]


def _compare(
    context: Context,
    network: FeatureNetwork,
    real: np.ndarray,
    fake: np.ndarray,
    scale: np.ndarray,
    remember: Callable,
) -> dict[str, float]:
    """All scores between features.

    A kernel distance that standardises takes the statistics of `scale`; `remember` is that of
    `manifold_scores`.
    """
    frechet = frechet_distance(statistics(real), statistics(fake))["frechet"]
    name = "kid_standardised" if network.standardised_kernel else "kid"
    sets = standardise(scale, real, fake) if network.standardised_kernel else (real, fake)
    kernel = kernel_distance(sets[0], sets[1], context.seed)
    return {
        "fid": frechet,
        name: kernel["kernel"],
        f"{name}_error": kernel["kernel_error"],
    } | manifold_scores(real, fake, context.track, remember)


def _network(context: Context, name: str) -> FeatureNetwork:
    if name not in context.networks:
        context.networks[name] = _load(context, name)
    return context.networks[name]


def _load(context: Context, name: str) -> FeatureNetwork:
    options = context.options
    if name == "inception-2015":
        return inception.original(options.inception_path)
    if name == "keras-inception-v3":
        return inception.keras_v3(options.keras_inception_weights)
    return classifier.load(context.source, options.cache, context.track)
