"""The metrics of a training step by stage, and the note of the first step at which one was not finite."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

STAGE_METRICS = {
    "vae": ("loss", "rec", "kl"),
    "introspective": (
        "encoder_loss",
        "decoder_loss",
        "rec",
        "kl",
        "kl_rec",
        "kl_fake",
        "exp_elbo_rec",
        "exp_elbo_fake",
        "assignment_entropy",
    ),
}
# Those of all stages; a metric's place is its bit in the note.
METRICS = tuple(dict.fromkeys(name for names in STAGE_METRICS.values() for name in names))


def update_means(
    metrics: Mapping[str, keras.metrics.Mean], means: Mapping[str, tf.Tensor], batch_size: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Takes a batch's means into the running ones, which it returns; a partial batch counts as such."""
    for name, value in means.items():
        metrics[name].update_state(value, sample_weight=batch_size)
    results = {name: metrics[name].result() for name in means}
    if _reduces_over_first_axis(tf.distribute.get_strategy()):
        return {name: tf.reshape(value, (1,)) for name, value in results.items()}
    return results


def note_divergence(note: tf.Tensor, step: tf.Tensor, means: dict[str, tf.Tensor]) -> tf.Tensor:
    """The note after a training step; one that was made stays.

    Args:
        note: int64 [2], the first step with a mean that was not finite, and a bit for each such mean.
        step: int64 scalar, the steps trained so far.
        means: scalar means of this replica's batch, by name.

    Returns:
        The note, int64 [2]. A mean that is not finite on any replica counts.
    """
    finite = tf.math.is_finite(tf.stack(list(means.values())))
    bad = tf.cast(is_on_any_replica(~finite), tf.int64)
    bits = tf.constant([1 << METRICS.index(name) for name in means], tf.int64)
    now = tf.stack([tf.convert_to_tensor(step), tf.reduce_sum(bad * bits)])
    note = tf.convert_to_tensor(note)
    return tf.where(note[1] == 0, now, note)


def read_divergence(note: np.ndarray) -> tuple[int, list[str]] | None:
    """The step and the names of the metrics in a note [2]; None while all were finite."""
    step, bits = map(int, note)
    names = [name for bit, name in enumerate(METRICS) if bits >> bit & 1]
    return (step, names) if names else None


def is_on_any_replica(flags: tf.Tensor) -> tf.Tensor:
    """Whether each of the flags is set on any replica."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return flags
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(flags, tf.float32)) > 0


def _reduces_over_first_axis(strategy: tf.distribute.Strategy) -> bool:
    """Whether Keras takes the mean of what a step returns over its first axis, and fails on scalars."""
    return getattr(strategy, "cluster_resolver", None) is not None
