"""Measures of the latent space: the use of components, and what the representation is worth."""

import numpy as np

from tf_sintrovae.evaluation.context import Context, draw
from tf_sintrovae.metrics import clustering as agreement
from tf_sintrovae.metrics import components as use
from tf_sintrovae.metrics import latent_units
from tf_sintrovae.metrics import representation as probes


def components(context: Context) -> dict[str, float]:
    """Use of the prior's components: by training data, and the paper's entropy on batches of test data."""
    weights = np.exp(context.prior["log_weights"])
    figures = use.component_use(_mean_responsibilities(context, "train"), weights)
    batches = _batch_responsibilities(context, "test")
    return figures | {"assignment_entropy_test_batches": use.batch_entropy(batches)}


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
        "sampled": [context.sampled(split) for split in ("train", "test")],
        "mean": [context.posterior(split)[0] for split in ("train", "test")],
    }
    return {
        f"{name}_{kind}": value
        for kind, (train, test) in kinds.items()
        for name, value in probes.probe_accuracies(train, labels[0], test, labels[1]).items()
    }


def clustering(context: Context) -> dict[str, float]:
    """Agreement of the most responsible component of the mean with the labels of the test data."""
    mean, _ = context.posterior("test")
    clusters = context.batched("responsibilities", "z", mean)["responsibilities"].argmax(axis=1)
    return agreement.clustering_scores(context.examples("test").y, clusters)


def _mean_responsibilities(context: Context, split: str) -> np.ndarray:
    """Mean p(k|z) [K] over posterior samples of a split."""
    batches = _batch_responsibilities(context, split)
    sizes = [len(part) for part in _entropy_batches(context, context.posterior(split)[0])]
    return np.average(batches, axis=0, weights=sizes)


def _batch_responsibilities(context: Context, split: str) -> np.ndarray:
    """Mean p(k|z) [batches, K] over posterior samples of each batch of a split."""
    noise = context.generator(f"responsibilities {split}")
    batches = [_entropy_batches(context, value) for value in context.posterior(split)]
    count = context.options.num_posterior_samples
    means = []
    for mean, logvar in zip(*batches, strict=True):
        z = draw(np.repeat(mean, count, axis=0), np.repeat(logvar, count, axis=0), noise)
        values = context.call("responsibilities", z=z)["responsibilities"]  # [B * M, K]
        means.append(values.mean(axis=0, dtype=np.float64))
    return np.stack(means)


def _entropy_batches(context: Context, values: np.ndarray) -> list[np.ndarray]:
    size = context.options.entropy_batch_size
    return [values[start : start + size] for start in range(0, len(values), size)]
