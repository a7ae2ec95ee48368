"""Metrics of the likelihood: how well the model explains data."""

import numpy as np

from tf_sintrovae.evaluation.context import Context
from tf_sintrovae.evaluation.metrics import detection, gaussians
from tf_sintrovae.evaluation.metrics.importance import importance_weighted_bound


def elbo(context: Context) -> dict[str, float]:
    """ELBO and KL in nats, and mean squared error per value, on train and test."""
    size = int(np.prod(context.source.shape))
    metrics: dict[str, float] = {}
    for split in ("train", "test"):
        scores = context.score(context.examples(split).x, f"scoring the {split} set")
        means = {key: float(value.mean(dtype=np.float64)) for key, value in scores.items()}
        metrics |= {
            f"elbo_{split}": means["elbo"],
            f"kl_{split}": means["kl"],
            f"mse_{split}": means["reconstruction_error"] / size,
        }
    return metrics


def iwae(context: Context) -> dict[str, float]:
    """Importance-weighted bound of the log-likelihood of test examples, in nats, and its error over examples.

    The decoder has unit variance and its mean is not clipped, as in the ELBO.
    """
    count = context.options.iwae_images
    x = context.source.examples("test", count, context.seed).x
    encoded = context.call_in_batches("encode", "x", x)
    context.counts["iwae_images"] = len(x)
    noise = context.generator("iwae")
    examples = zip(x, encoded["mean"], encoded["logvar"], strict=True)
    bounds = np.concatenate(
        [
            importance_weighted_bound(_log_weights(context, *example, noise)[:, None])
            for example in context.track(examples, "drawing importance samples", len(x))
        ]
    )
    error = float(bounds.std() / np.sqrt(len(bounds)))
    return {"iwae_test": float(bounds.mean()), "iwae_test_error": error}


def drift(context: Context) -> dict[str, float]:
    """`KL(E(D(mean)) || E(x))` on the test set, in nats: how far a reconstruction is from its original."""
    mean, logvar = context.posterior("test")
    again = context.call_in_batches(
        "encode", "x", context.decoder_mean(mean, "reconstructing"), "encoding reconstructions"
    )
    divergence = gaussians.kl_divergence(again["mean"], again["logvar"], mean, logvar)
    return {"drift_test": float(divergence.mean())}


def ood(context: Context) -> dict[str, float]:
    """AUROC of the ELBO for telling the test set from another data set."""
    other = context.options.ood_source
    if other is None:
        raise ValueError("no other data set: expected an ood_source")
    limit = None if other.num_train else context.options.num_points
    inside = context.score(context.examples("test").x, "scoring the test set")["elbo"]
    x = other.examples("test", limit, context.seed).x
    outside = context.score(x, f"scoring {other.name}")["elbo"]
    return {f"ood_auroc/{other.name}": detection.auroc(inside, outside)}


def _log_weights(
    context: Context,
    x: np.ndarray,
    mean: np.ndarray,
    logvar: np.ndarray,
    noise: np.random.Generator,
) -> np.ndarray:
    """`log p(x|z) + log p(z) - log q(z|x)` [S] for one example."""
    eps = noise.standard_normal((context.options.iwae_samples, len(mean)), np.float32)
    z = mean + np.exp(0.5 * logvar) * eps  # [S, L]
    decoded = context.decoder_mean(z).reshape(len(z), -1)
    likelihood = gaussians.log_prob(x.ravel(), decoded, np.zeros(()))
    prior = context.call_in_batches("responsibilities", "z", z)["log_prob"]
    return likelihood + prior - gaussians.log_prob(z, mean, logvar)
