"""What a run has come to, besides its weights and optimizers."""

from collections.abc import Sequence

import tensorflow as tf

from tf_sintrovae.model import STAGES, SoftIntroVAE


class RunState(tf.Module):
    """Belongs to every checkpoint, so that a resumed run is in the stage that it was in, come what may.

    Attributes:
        stage: index of the stage in `STAGES`.
        handed_over: 1 once the VampPrior has become a free mixture, else 0.
        hand_over_step: step before which it did; -1 before.
        introspection_step: step before which the introspective stage began; -1 before.
        steps_per_epoch: number of steps in an epoch of the run; 0 before its start.
        rollbacks: number of times that rates were halved after a divergence.
        rates: [3] rates of encoder, decoder and prior that were halved, float64.
    """

    def __init__(self):
        super().__init__("run_state")
        self.stage = _integer(0)
        self.handed_over = _integer(0)
        self.hand_over_step = _integer(-1)
        self.introspection_step = _integer(-1)
        self.steps_per_epoch = _integer(0)
        self.rollbacks = _integer(0)
        self.rates = tf.Variable(tf.zeros(3, tf.float64), trainable=False)

    @property
    def rate_factor(self) -> float:
        """Factor of all rates after the rollbacks."""
        return 0.5 ** int(self.rollbacks.numpy())

    def take(self, model: SoftIntroVAE) -> None:
        """Notes the stage of the model, and which prior is in force."""
        self.stage.assign(STAGES.index(model.stage))
        self.handed_over.assign(int(model.prior.handed_over))

    def give(self, model: SoftIntroVAE) -> None:
        """Puts the model into the stage that was noted; its variables are not touched."""
        model.prior.resume(handed_over=bool(self.handed_over.numpy()))
        model.stage = STAGES[int(self.stage.numpy())]  # also drops the compiled step

    def adopt_rates(self, rates: Sequence[float]) -> None:
        """Takes the settings' rates; those that are new hold as they are given, not halved."""
        if list(self.rates.numpy()) != list(rates):
            self.rollbacks.assign(0)
        self.rates.assign(rates)


def _integer(value: int) -> tf.Variable:
    return tf.Variable(value, trainable=False, dtype=tf.int64)
