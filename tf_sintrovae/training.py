"""Training: the stages of a run, resumed where it stopped."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_sintrovae import build, callbacks, objectives, plots, strategy
from tf_sintrovae.checkpoints import Checkpoints
from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.workdir import Workdir


class Schedule(NamedTuple):
    """The steps at which a run changes.

    Attributes:
        hand_over: before this step the VampPrior becomes a free mixture; None: never.
        introspection: before this step the introspective stage begins.
        total: steps of the run.
    """

    hand_over: int | None
    introspection: int
    total: int

    @classmethod
    def of(cls, config: Config, steps_per_epoch: int) -> "Schedule":
        """The schedule that the settings' epochs ask for."""
        hand_over = config.hand_over_epoch
        return cls(
            None if hand_over is None else hand_over * steps_per_epoch,
            config.vae_epochs * steps_per_epoch,
            config.epochs * steps_per_epoch,
        )

    def segments(self, step: int) -> Iterator[tuple[int, int]]:
        """The stretches `(start, end)` without a change that lie between `step` and the end."""
        if step >= self.total:  # also when fewer epochs are asked for than were trained
            return
        changes = {change for change in (self.hand_over, self.introspection) if change is not None}
        bounds = sorted({step, self.total} | {c for c in changes if step < c < self.total})
        yield from itertools.pairwise(bounds)

    def resume(self, model: SoftIntroVAE, step: int) -> None:
        """Puts a model restored at `step` into the state that its checkpoint was taken in."""
        if self.hand_over is not None and step > self.hand_over:
            model.prior.handed_over = True
        if step > self.introspection:
            model.stage = "introspective"

    def enter(self, model: SoftIntroVAE, step: int) -> None:
        """Makes the changes that are due before `step`; checkpoints at `step` are from before them."""
        if step == self.hand_over:
            model.hand_over()
        if step == self.introspection:
            model.start_introspection()


def train(config: Config, source: Source, workdir: Workdir) -> SoftIntroVAE:
    """Trains up to `config.epochs`, from the newest checkpoint on.

    Args:
        config: the settings.
        source: the data set.
        workdir: takes checkpoints, logs and pictures.

    Returns:
        The trained model, its batch-norm statistics re-estimated if the settings ask for it.

    Raises:
        UserError: settings that do not suit data or devices, divergence, or unreadable checkpoints.
        Stopped: the user asked to stop; a checkpoint was saved.
    """
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    distribution = strategy.choose_strategy(config)
    xla = strategy.use_xla(config, distribution)
    with distribution.scope():
        model = build.build_model(config, source, xla, distribution.num_replicas_in_sync)
        checkpoints = Checkpoints(model, workdir.checkpoints)
        _fit(config, source, workdir, model, checkpoints, distribution)
    if config.refresh_batch_norm:
        refresh_batch_norm(model, source, config)
    return model


def _fit(config, source, workdir, model, checkpoints, distribution) -> None:
    steps_per_epoch = config.steps_per_epoch or source.steps_per_epoch(config.batch_size)
    schedule = Schedule.of(config, steps_per_epoch)
    step = checkpoints.restore()
    _check_execution(config, steps_per_epoch, step)
    schedule.resume(model, step)
    extras = _callbacks(config, source, workdir, checkpoints, schedule, steps_per_epoch, model)
    for start, end in schedule.segments(step):
        schedule.enter(model, start)
        for begin, stop, steps in _whole_epochs(start, end, steps_per_epoch):
            first = max(start, begin * steps_per_epoch)
            model.fit(
                strategy.training_batches(source, config, distribution, first),
                initial_epoch=begin,
                epochs=stop,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                callbacks=extras,
            )


def _check_execution(config, steps_per_epoch: int, step: int) -> None:
    """Refuses calls of several steps that would run past the end of an epoch."""
    size = config.steps_per_execution
    if steps_per_epoch % size or step % size:
        raise UserError(
            f"steps_per_execution={size} does not divide the {steps_per_epoch} steps of an epoch"
            f"{f' or the {step} steps trained' if step else ''}: give a divisor, or 1"
        )


def _whole_epochs(start: int, end: int, steps_per_epoch: int) -> Iterator[tuple[int, int, int]]:
    """`(first epoch, epoch to stop before, steps of each)`: the rest of an epoch, then whole ones."""
    epoch, done = divmod(start, steps_per_epoch)
    if done:
        yield epoch, epoch + 1, steps_per_epoch - done
        epoch += 1
    if epoch < end // steps_per_epoch:
        yield epoch, end // steps_per_epoch, steps_per_epoch


def _callbacks(config, source, workdir, checkpoints, schedule, steps_per_epoch, model) -> list:
    pictures = plots.Pictures(model, source, config.seed)
    return [
        callbacks.StopOnNaN(),  # first: nothing below may save what is not finite
        callbacks.LearningRates(build.learning_rates(config), config.lr_milestones),
        callbacks.History(workdir.history),
        callbacks.Summaries(workdir.tensorboard, pictures, every=max(1, config.epochs // 20)),
        callbacks.Progress(config.batch_size, schedule.total, steps_per_epoch),
        callbacks.SaveCheckpoints(checkpoints, config.checkpoint_seconds),
        callbacks.StopOnSignal(checkpoints),
    ]


def refresh_batch_norm(
    model: SoftIntroVAE, source: Source, config: Config, least_steps: int = 100
) -> None:
    """Re-estimates the running batch-norm statistics on real data and its reconstructions.

    Training mixes the statistics of real, reconstructed and fake batches. One pass over the real data, or
    `least_steps` batches where that is more, replaces them (0.9^100 of the old ones remain); weights stay.

    Args:
        model: trained model.
        source: the data set.
        config: batch size and seed.
        least_steps: least number of batches.
    """
    if not source.is_image:  # the networks for points have no batch norm
        return
    epoch = config.steps_per_epoch or source.steps_per_epoch(config.batch_size)
    steps = max(least_steps, epoch)

    @tf.function
    def refresh(x, step):
        mean, logvar = model.encoder(x, training=True)
        eps = tf.random.stateless_normal(tf.shape(mean), [config.seed, step], alg="philox")
        model.decoder(objectives.reparameterize(mean, logvar, eps), training=True)

    batches = source.train_batches(config.batch_size, config.seed).take(steps)
    for step, (x, _) in batches.enumerate():
        refresh(x, tf.cast(step, tf.int32))
