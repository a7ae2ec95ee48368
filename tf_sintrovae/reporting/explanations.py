"""How to read each metric and each curve, in one sentence."""

import re
from typing import NamedTuple

# Which of two values is the better one.
LESS, MORE, NEITHER = "less is better", "more is better", ""


class Explanation(NamedTuple):
    """How to read a metric.

    Attributes:
        group: heading under which it stands.
        better: `LESS`, `MORE` or `NEITHER`.
        sentence: what it means.
    """

    group: str
    better: str
    sentence: str


_SAMPLES = "Samples against real images"
_RECONSTRUCTIONS = "Reconstructions against real images"
_LIKELIHOOD = "Likelihood"
_COMPONENTS = "Components and latent units"
_REPRESENTATION = "Representation"
_CLUSTERS = "Components as clusters"
_PLANE = "Density in the plane"
_OTHER = "Other"

# By the first pattern that is the whole name, up to the slash before a feature network's.
_EXPLANATIONS = (
    ("elbo_.*", _LIKELIHOOD, MORE, "Evidence lower bound in nats, of a decoder of unit variance."),
    (
        "kl_(train|test)",
        _LIKELIHOOD,
        NEITHER,
        "Nats that the posteriors tell about their examples; near 0 the latents are unused.",
    ),
    (
        "mse_.*",
        _LIKELIHOOD,
        LESS,
        "Squared error of reconstructions, for each value of an example.",
    ),
    (
        "iwae_test_error",
        _LIKELIHOOD,
        NEITHER,
        "Standard error of the importance-weighted bound over test examples.",
    ),
    (
        "iwae_.*",
        _LIKELIHOOD,
        MORE,
        "Importance-weighted bound of the log-likelihood in nats: tighter than the ELBO.",
    ),
    (
        "drift_.*",
        _LIKELIHOOD,
        LESS,
        "How far the posterior of a reconstruction lies from its original's, in nats.",
    ),
    (
        "ood_auroc",
        _LIKELIHOOD,
        MORE,
        "How well the ELBO tells test data from other data: 0.5 is chance, 1 perfect.",
    ),
    (
        "inactive_components_by_responsibility",
        _COMPONENTS,
        LESS,
        "Components with less than 1/K² of the data.",
    ),
    ("inactive_components", _COMPONENTS, LESS, "Components with a weight under 1/K²."),
    (
        "assignment_entropy_batch_size",
        _COMPONENTS,
        NEITHER,
        "Size of the batches over which the entropy beside it is taken.",
    ),
    (
        "assignment_entropy.*",
        _COMPONENTS,
        MORE,
        "How evenly the data use the components: 1 is all alike, 0 only one.",
    ),
    ("active_units_share", _COMPONENTS, MORE, "The share of the latent units that are active."),
    ("active_units", _COMPONENTS, MORE, "Latent units whose mean varies over the data."),
    (
        "(knn|svm|logistic).*_mean",
        _REPRESENTATION,
        MORE,
        "Test accuracy of a simple classifier on the posterior mean.",
    ),
    (
        "(knn|svm|logistic).*_sampled",
        _REPRESENTATION,
        MORE,
        "Test accuracy of a simple classifier on one sample of the posterior.",
    ),
    (
        "cluster_accuracy",
        _CLUSTERS,
        MORE,
        "Accuracy if each component were named after one class (at best as many as there are classes).",
    ),
    (
        "cluster_nmi",
        _CLUSTERS,
        MORE,
        "Information that component and class share: 0 none, 1 all of it.",
    ),
    (
        "cluster_ari",
        _CLUSTERS,
        MORE,
        "Agreement of components and classes over chance, which is 0.",
    ),
    ("sample_classes_found", _SAMPLES, MORE, "Classes that a classifier finds among the samples."),
    ("sample_class_min_share", _SAMPLES, MORE, "The share of the class that is rarest among them."),
    (
        "fid",
        _SAMPLES,
        LESS,
        "Distance of the distributions of features; compare it with its floor, real against real.",
    ),
    (
        "kid(_standardised)?_error",
        _SAMPLES,
        NEITHER,
        "Standard error of the kernel distance over random subsets.",
    ),
    (
        "kid(_standardised)?",
        _SAMPLES,
        LESS,
        "Kernel distance of features, without bias: about 0 for equal distributions.",
    ),
    ("precision.*", _SAMPLES, MORE, "The share of samples that lie among the real images."),
    ("recall.*", _SAMPLES, MORE, "The share of real images that lie among the samples."),
    (
        "density.*",
        _SAMPLES,
        MORE,
        "How densely samples lie where real images do; about 1 when they are alike.",
    ),
    ("coverage.*", _SAMPLES, MORE, "The share of real images with a sample nearby."),
    (
        "(kl|jsd)_nats",
        _PLANE,
        LESS,
        "Divergence of the samples' histogram from the data's, in nats.",
    ),
    ("entropy_nats", _PLANE, NEITHER, "How far the samples are from a uniform density, in nats."),
    (".*_authors", _PLANE, NEITHER, "The same on the scale of the paper's tables."),
    ("outside_share", _PLANE, LESS, "The share of samples outside the range of the histograms."),
    (
        "gnelbo",
        _PLANE,
        LESS,
        "Share of the data in the loss over the whole plane: small where only data have a low loss.",
    ),
    ("mode_min_share", _PLANE, MORE, "The share of the samples in the mode that has fewest."),
    ("mode_max_share", _PLANE, LESS, "The share of the samples in the mode that has most."),
    ("high_quality_share", _PLANE, MORE, "The share of samples near a mode."),
)

# Curves: what each is, and what it should do.
CURVES = {
    "loss": "the VAE's loss; falls",
    "rec": "squared error of reconstructions; falls",
    "kl": "KL of real examples; settles at the information that the latents carry",
    "encoder_loss": "what the encoder minimises; settles",
    "exp_elbo_rec": "exponential term of reconstructions; near 0 it teaches nothing any more",
    "exp_elbo_fake": "exponential term of samples; near 0 it teaches nothing any more",
    "decoder_loss": "what the decoder minimises; settles",
    "kl_rec": "KL of reconstructions, to the encoder; near that of real examples",
    "kl_fake": "KL of samples, to the encoder; near that of real examples",
    "assignment_entropy": "how evenly a batch uses the components; near 1 all do their part",
}


def explain(name: str) -> Explanation:
    """How to read the metric called `name`, as `results.json` has it."""
    score = name.split("/")[0]
    for suffix, group in (("_reconstruction", _RECONSTRUCTIONS), ("_batch_statistics", _SAMPLES)):
        if score.endswith(suffix):
            plain = explain(score.removesuffix(suffix))
            sentence = plain.sentence.replace("samples", "reconstructions")
            return plain._replace(
                group=group,
                sentence=sentence if group == _RECONSTRUCTIONS else plain.sentence,
            )
    for pattern, *rest in _EXPLANATIONS:
        if re.fullmatch(pattern, score):
            return Explanation(*rest)
    return Explanation(_OTHER, NEITHER, "")
