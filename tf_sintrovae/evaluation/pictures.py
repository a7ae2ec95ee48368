"""Measures of sets of images: samples and reconstructions against the training set."""

import numpy as np

from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.features import classifier, inception
from tf_sintrovae.features.network import FeatureNetwork, cached_features
from tf_sintrovae.metrics import representation
from tf_sintrovae.metrics.frechet import frechet_distance, statistics
from tf_sintrovae.metrics.kernel_distance import kernel_distance
from tf_sintrovae.metrics.manifold import manifold_scores

NETWORKS = ("classifier", "inception-2015", "keras-inception-v3")
_CLASSIFIER_EXAMPLES = 10_000


def class_coverage(context: Context) -> dict[str, float]:
    """Classes that a linear SVM on real pixels finds among the samples."""
    x, y = context.source.examples("train", _CLASSIFIER_EXAMPLES)
    samples = context.samples(context.options.num_class_samples)
    return representation.class_coverage(x, y, samples, context.source.num_classes)


def sample_quality(context: Context) -> dict[str, float]:
    """Samples against as many training images, on each feature network.

    On request also samples decoded with the statistics of their own batch, where the decoder has batch norm.
    """
    count = len(_real(context))
    figures = _scores(context, lambda: context.sample_batches(count), suffix="")
    if context.options.batch_statistics and context.has_batch_statistics:
        figures |= _scores(
            context,
            lambda: context.sample_batches(count, "sample_batch_statistics"),
            suffix="_batch_statistics",
        )
    return figures


def reconstruction_quality(context: Context) -> dict[str, float]:
    """Reconstructions from sampled z against their originals in the training set."""
    z = context.sampled("train")[: len(_real(context))]
    return _scores(
        context,
        lambda: (context.call("decode", z=part)["x"] for part in context.split(z)),
        suffix="_reconstruction",
    )


def _real(context: Context) -> np.ndarray:
    return context.source.examples("train", context.options.num_images).x


def _scores(context: Context, fake_batches, suffix: str) -> dict[str, float]:
    """All scores on all networks; the names are `<score><suffix>/<network>`."""
    figures = {}
    for name in context.options.feature_networks:
        network = _network(context, name)
        real = cached_features(network, _real(context), context.options.cache)
        scores = _compared(real, network.features(fake_batches()), context.seed)
        figures |= {f"{key}{suffix}/{network.name}": value for key, value in scores.items()}
    return figures


def _compared(real: np.ndarray, fake: np.ndarray, seed: int) -> dict[str, float]:
    kernel = kernel_distance(real, fake, seed)
    return {
        "fid": frechet_distance(statistics(real), statistics(fake))["frechet"],
        "kid": kernel["kernel"],
        "kid_error": kernel["kernel_error"],
    } | manifold_scores(real, fake)


def _network(context: Context, name: str) -> FeatureNetwork:
    if name not in context.networks:
        context.networks[name] = _loaded(context, name)
    return context.networks[name]


def _loaded(context: Context, name: str) -> FeatureNetwork:
    options = context.options
    if name == "inception-2015":
        return inception.original(options.inception_path)
    if name == "keras-inception-v3":
        return inception.keras_v3(options.keras_inception_weights)
    return classifier.load(context.source, options.cache)
