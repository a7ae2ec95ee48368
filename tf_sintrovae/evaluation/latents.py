"""Metrics of the latent space: the use of components, and what the representation is worth."""

import numpy as np

from tf_sintrovae.evaluation.context import Context, draw
from tf_sintrovae.evaluation.metrics import latent_units
from tf_sintrovae.evaluation.metrics.clustering import clustering_scores
from tf_sintrovae.evaluation.metrics.components import batch_entropy, component_use
from tf_sintrovae.evaluation.metrics.representation import probe_accuracies

_POSTERIOR_BLOCK = 128  # examples whose posterior samples are held at once


def components(context: Context) -> dict[str, float]:
    """Use of the prior's components: by training data, and the paper's entropy on batches of test data."""
    weights = np.exp(context.prior["log_weights"])
    metrics = component_use(_mean_responsibilities(context, "train"), weights)
    means, sizes = _batch_responsibilities(context, "test")
    return metrics | {
        "assignment_entropy_test_batches": batch_entropy(means, sizes),
        "assignment_entropy_batch_size": float(sizes[0]),
    }


def component_shares(context: Context) -> dict[str, float]:
    """Histogram of the responsibilities: each component's mean over the training data."""
    shares = _mean_responsibilities(context, "train")
    return {f"component_share/{k}": float(share) for k, share in enumerate(shares)}


def active_units(context: Context) -> dict[str, float]:
    """Latent units that vary over the test data."""
    return latent_units.active_units(context.posterior("test")[0])


def representation(context: Context) -> dict[str, float]:
    """Probes on sampled z, as in the paper, and on the mean."""
    labels = [context.examples(split).y for split in ("train", "test")]
    kinds = {
        "sampled": [context.sample_posterior(split) for split in ("train", "test")],
        "mean": [context.posterior(split)[0] for split in ("train", "test")],
    }
    return {
        f"{name}_{kind}": value
        for kind, (train, test) in kinds.items()
        for name, value in probe_accuracies(
            train, labels[0], test, labels[1], context.track
        ).items()
    }


def clustering(context: Context) -> dict[str, float]:
    """Agreement of the most responsible component of the mean with the labels of the test data."""
    mean, _ = context.posterior("test")
    clusters = context.call_in_batches("responsibilities", "z", mean)["responsibilities"].argmax(
        axis=1
    )
    return clustering_scores(context.examples("test").y, clusters)


def _mean_responsibilities(context: Context, split: str) -> np.ndarray:
    """Mean p(k|z) [K] over posterior samples of a split."""
    means, sizes = _batch_responsibilities(context, split)
    return np.average(means, axis=0, weights=sizes)


def _batch_responsibilities(context: Context, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean p(k|z) [batches, K] over posterior samples of batches of a split, and sizes [batches].

    Batches are drawn at random: data stored class by class would fill them with one class each.
    """
    return context.once(f"responsibilities {split}", lambda: _responsibilities(context, split))


def _responsibilities(context: Context, split: str) -> tuple[np.ndarray, np.ndarray]:
    noise = context.generator(f"responsibilities {split}")
    posterior = context.posterior(split)
    order, size = noise.permutation(len(posterior[0])), context.options.entropy_batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    mean, logvar = posterior
    sums = [
        _sum_responsibilities(context, mean[rows], logvar[rows], noise)
        for rows in context.track(batches, f"responsibilities of the {split} set", len(batches))
    ]
    sizes = np.array([len(rows) for rows in batches])
    return np.stack(sums) / sizes[:, None], sizes


def _sum_responsibilities(
    context: Context, mean: np.ndarray, logvar: np.ndarray, noise: np.random.Generator
) -> np.ndarray:
    """Sum [K] over examples [B, L] of their mean p(k|z), each over its posterior samples."""
    count = context.options.num_posterior_samples
    total = np.zeros(len(context.prior["log_weights"]))
    for start in range(0, len(mean), _POSTERIOR_BLOCK):
        rows = slice(start, start + _POSTERIOR_BLOCK)
        z = draw(mean[rows], logvar[rows], noise, count)
        values = context.call("responsibilities", z=z)["responsibilities"]  # [B * M, K]
        total += values.sum(axis=0, dtype=np.float64) / count
    return total
