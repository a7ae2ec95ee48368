"""Weights averaged over steps: a departure from the paper, used where a model is measured and exported."""

import tensorflow as tf

from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training.run_state import RunState


class WeightAverage(tf.Module):
    """Exponential moving averages of all players' trainable weights; they belong to every checkpoint.

    The `n`-th update keeps `min(decay, (n - 1) / (n + 8))` of the average, so that initial weights are soon
    forgotten. An average begins anew at the hand-over and at the introspective stage: weights of before are
    those of another prior, or of another game.

    Args:
        model: model of the run; make the average inside its strategy's scope.
        decay: share of the average that an update keeps, in [0, 1).
    """

    def __init__(self, model: SoftIntroVAE, decay: float):
        super().__init__("weight_average")
        self._weights = [variable.value for variable in model.trainable_variables]
        self._decay = decay
        self.averages = [tf.Variable(weight, trainable=False) for weight in self._weights]
        self.updates = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.since = tf.Variable(0, trainable=False, dtype=tf.int64)

    def restart(self, state: RunState) -> None:
        """Begins anew if the prior or the stage has changed since the average began."""
        last = max(int(state.hand_over_step.numpy()), int(state.introspection_step.numpy()), 0)
        if last != int(self.since.numpy()):
            self.since.assign(last)
            self.updates.assign(0)

    @tf.function
    def update(self) -> None:
        """Takes the weights as they are into the averages."""
        self.updates.assign_add(1)
        count = tf.cast(self.updates, tf.float32)
        decay = tf.minimum(self._decay, (count - 1.0) / (count + 8.0))
        for average, weight in zip(self.averages, self._weights, strict=True):
            average.assign(weight + tf.cast(decay, weight.dtype) * (average - weight))

    def apply(self) -> None:
        """Puts the averages in place of the weights; once there was an update."""
        if int(self.updates.numpy()):
            for average, weight in zip(self.averages, self._weights, strict=True):
                weight.assign(average)
