"""One metric of a model in training, on few samples."""

from collections.abc import Callable
from typing import Any

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation.groups import check_metrics
from tf_sintrovae.evaluation.options import Options
from tf_sintrovae.evaluation.suite import measure

# The group that takes each metric; of all of them less is better.
_GROUPS = {
    "fid": "sample_quality",
    "kid_standardised": "sample_quality",
    "jsd_nats": "divergences",
    "kl_nats": "divergences",
}


def single_metric(source: Source, name: str, seed: int, num_images: int) -> Callable[[Any], float]:
    """Makes a function that takes one metric of a model.

    Args:
        source: data set to evaluate on.
        name: name of the metric: `fid` or `kid_standardised`, on the first feature network, `jsd_nats` or
            `kl_nats`.
        seed: seed of all draws, the same at each call, so that models are compared on the same noise.
        num_images: greatest number of samples and of training images.

    Returns:
        A function from an object with `signatures` to the metric's value.

    Raises:
        UserError: an unknown metric, or one that does not suit the data.
    """
    if name not in _GROUPS:
        raise UserError(f"best_metric={name}: expected one of {', '.join(_GROUPS)}")
    group = _GROUPS[name]
    try:
        check_metrics(source, (group,))
    except UserError as error:
        raise UserError(
            f"best_metric={name} does not suit {source.name}: fid and kid_standardised are for labelled "
            "images, jsd_nats and kl_nats for points in 2D"
        ) from error
    options = Options(num_images=num_images)

    def take(model: Any) -> float:
        outcome = measure(model, source, (group,), (seed,), options=options)
        if outcome.errors:
            raise UserError(f"best_metric={name}: {outcome.errors[group]}")
        return next(
            value for key, value in outcome.metrics.items() if key.partition("/")[0] == name
        )

    return take
