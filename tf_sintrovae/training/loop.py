"""Training: the stages of a run, resumed where it stopped."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_sintrovae import build, objectives, plots
from tf_sintrovae.config import Config
from tf_sintrovae.data.source import Source
from tf_sintrovae.data.sources import pipelines
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.monitoring.prior_use import PriorObserver
from tf_sintrovae.monitoring.profile import Profile
from tf_sintrovae.monitoring.projector import write_projection
from tf_sintrovae.monitoring.summaries import Summaries
from tf_sintrovae.network_checks import has_batch_norm
from tf_sintrovae.serving.servable import LiveServable
from tf_sintrovae.training import (
    callbacks,
    followers,
    initial_weights,
    live_report,
    progress,
    recovery,
    strategy,
)
from tf_sintrovae.training.averaging import WeightAverage
from tf_sintrovae.training.best import BestCheckpoint, KeepBest
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.divergence import DivergenceError
from tf_sintrovae.training.run_state import RunState
from tf_sintrovae.training.schedule import Schedule
from tf_sintrovae.training.snapshots import Snapshots
from tf_sintrovae.training.workdir import Workdir
from tf_sintrovae.training.workers import Workers


def train(
    config: Config,
    source: Source,
    workdir: Workdir | None,
    measure: Callable[[SoftIntroVAE], float] | None = None,
    distribution: tf.distribute.Strategy | None = None,
    reporter: live_report.Reporter | None = None,
) -> SoftIntroVAE:
    """Trains up to `config.epochs`, from the newest checkpoint on.

    Args:
        config: settings of the run.
        source: data set of the run.
        workdir: folder that takes checkpoints, logs and figures; None on a worker that is not the chief.
        measure: function that takes `config.best_metric` of a model; needed where that is given.
        distribution: strategy of the run, if it was chosen before.
        reporter: writer of the run's report; None for a training without one.

    Returns:
        The trained model, on the chief its weights averaged and its batch-norm statistics re-estimated if the
        settings ask for it.

    Raises:
        UserError: settings that do not suit data or devices, other data than before, divergence, or
            checkpoints that cannot be read or written.
        Stopped: the user asked to stop; a checkpoint was saved.
    """
    if workdir is not None:
        workdir.check_data(source.fingerprint())
    keras.utils.set_random_seed(config.seed)
    strategy.set_up_runtime(config)
    distribution = distribution or strategy.choose_strategy(config)
    xla = strategy.use_xla(config, distribution)
    with distribution.scope():
        model = build.build_model(config, source, xla, distribution.num_replicas_in_sync)
        average = None if config.ema_decay is None else WeightAverage(model, config.ema_decay)
        folder = None if workdir is None else workdir.checkpoints
        checkpoints = Checkpoints(model, folder, average)
    prepare = functools.partial(_prepare, config, source, model, average)
    around = [] if average is None else [callbacks.AverageWeights(average, checkpoints.state)]
    best = _keep_best(config, workdir, model, checkpoints.state, measure, prepare)
    watching = [*around, *best]
    # Outside of the scope, in which every new variable would be one that all workers make together.
    _fit(config, source, workdir, model, checkpoints, distribution, watching, reporter)
    if workdir is not None:
        prepare()
    return model


def _prepare(
    config: Config, source: Source, model: SoftIntroVAE, average: WeightAverage | None
) -> None:
    """Makes of the model in training what is measured and exported."""
    if average is not None:
        average.apply()
    if config.refresh_batch_norm:
        refresh_batch_norm(model, source, config)


def _keep_best(
    config: Config,
    workdir: Workdir | None,
    model: SoftIntroVAE,
    state: RunState,
    measure: Callable[[SoftIntroVAE], float] | None,
    prepare: Callable[[], None],
) -> list[KeepBest]:
    """The callback that keeps the best checkpoint, if the settings ask for it."""
    if config.best_metric is None or measure is None or workdir is None:
        return []
    return [
        KeepBest(
            BestCheckpoint(model, workdir.best),
            config.best_metric,
            functools.partial(measure, model),
            prepare,
            state,
            config.eval_epochs,
            config.early_stop_epochs,
        )
    ]


def trained_epochs(config: Config, source: Source, step: int) -> int:
    """The whole epochs that `step` steps are; the settings may ask for more, or for fewer."""
    return step // _steps_per_epoch(config, source)


def _steps_per_epoch(config: Config, source: Source) -> int:
    return config.steps_per_epoch or source.steps_per_epoch(config.batch_size)


def _fit(
    config: Config,
    source: Source,
    workdir: Workdir | None,
    model: SoftIntroVAE,
    checkpoints: Checkpoints,
    distribution: tf.distribute.Strategy,
    watching: Sequence[keras.callbacks.Callback],
    reporter: live_report.Reporter | None,
) -> None:
    """Restores, and trains until the end; after a divergence, from the last checkpoint on if asked for."""
    steps_per_epoch = _steps_per_epoch(config, source)
    schedule = Schedule.from_config(config, steps_per_epoch)
    group = Workers(distribution)
    restore = functools.partial(_restore, config, model, checkpoints, steps_per_epoch)
    follow = functools.partial(followers.follow_chief, group, model, checkpoints)
    batches = functools.partial(strategy.training_batches, source, config, distribution)
    agree = functools.partial(group.copy_from_chief, checkpoints.variables)
    step = follow(restore)
    _check_execution(config, steps_per_epoch, step)
    if workdir is not None:
        workdir.adopt_changes(config, step)
        workdir.note_replicas(distribution.num_replicas_in_sync, step)
    stop = callbacks.StopOnSignal(checkpoints, shared=group.several)
    over = any(c.is_over(step // steps_per_epoch) for c in watching if isinstance(c, KeepBest))
    if group.any(over):
        return
    around = _callbacks(
        config, source, workdir, checkpoints, schedule, steps_per_epoch, model, group, reporter
    )
    around[1:1] = watching  # what they find is recorded by those that follow
    validation = validation_batches(source, config.batch_size) if config.validation else None
    try:
        while True:
            try:
                with _divergence_before_its_consequences(checkpoints, group):
                    _train_from(
                        *(step, schedule, model, checkpoints.state, batches, agree),
                        *([*around, stop], validation),
                    )
                return stop.raise_if_asked()
            except DivergenceError as error:
                step = follow(
                    functools.partial(_go_back, error, config, workdir, checkpoints, restore)
                )
    finally:
        stop.release()


def _go_back(
    error: DivergenceError,
    config: Config,
    workdir: Workdir | None,
    checkpoints: Checkpoints,
    restore: Callable[[], int],
) -> int:
    """What the chief does after a divergence."""
    assert workdir is not None
    return recovery.recover(error, config, workdir, checkpoints, restore)


@contextlib.contextmanager
def _divergence_before_its_consequences(checkpoints: Checkpoints, group: Workers) -> Iterator[None]:
    """Says that a run diverged where TensorFlow says what came of it, as that no component can be drawn.

    One worker alone may have met that; it cannot go back while the others wait for it in the step.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError:
        try:
            checkpoints.check_finite()
        except DivergenceError as error:
            if group.several:
                raise UserError(str(error)) from error
            raise
        raise


def _restore(
    config: Config, model: SoftIntroVAE, checkpoints: Checkpoints, steps_per_epoch: int
) -> int:
    """Puts model and state where the newest checkpoint is, or at the start; returns the step."""
    step, state = checkpoints.restore(), checkpoints.state
    if not step and config.init_from:
        initial_weights.load(model, user_path(config.init_from))
    before = int(state.steps_per_epoch.numpy())
    if step and before != steps_per_epoch:
        raise UserError(
            f"the run in {config.workdir} has {before} steps an epoch, data and settings now give "
            f"{steps_per_epoch}: give it its own again, or --overwrite to start afresh"
        )
    state.steps_per_epoch.assign(steps_per_epoch)
    state.adopt_rates(build.learning_rates(config))
    if model.stage == "introspective":
        model.start_introspection()  # in case that clip_variance has changed
    return step


def _train_from(
    step: int,
    schedule: Schedule,
    model: SoftIntroVAE,
    state: RunState,
    batches: Callable[[int], Any],
    agree: Callable[[], None],
    around: Sequence[keras.callbacks.Callback],
    validation: tf.data.Dataset | None,
) -> None:
    """Trains from `step` to the end, stage by stage.

    `batches(step)` is the stream from there on; `agree()` gives all workers the chief's variables.
    """
    steps_per_epoch = int(state.steps_per_epoch.numpy())
    for start, end in schedule.segments(step):
        schedule.enter(model, state, start)
        agree()  # what each of them has computed of that may differ in its last digits
        for begin, stop, steps in _whole_epochs(start, end, steps_per_epoch):
            with warnings.catch_warnings():
                # Keras warns at the end of every validation whose length it does not know.
                warnings.filterwarnings("ignore", "Your input ran out of data")
                model.fit(
                    batches(max(start, begin * steps_per_epoch)),
                    initial_epoch=begin,
                    epochs=stop,
                    steps_per_epoch=steps,
                    shuffle=False,
                    verbose=0,
                    callbacks=around,
                    validation_data=validation,
                )
            if model.stop_training:
                return


def _check_execution(config: Config, steps_per_epoch: int, step: int) -> None:
    """Refuses calls of several steps that would run past the end of an epoch, or past a milestone."""
    size = config.steps_per_execution
    if steps_per_epoch % size or step % size:
        raise UserError(
            f"steps_per_execution={size} does not divide the {steps_per_epoch} steps of an epoch"
            f"{f' or the {step} steps trained' if step else ''}: give a divisor, or 1"
        )
    within = [
        m for m in config.lr_milestones if m % size and step < m < config.epochs * steps_per_epoch
    ]
    if within:
        raise UserError(
            f"lr_milestones={within[0]} lies inside a call of steps_per_execution={size}, in which rates "
            f"cannot change: give multiples of {size}, or a steps_per_execution that divides it"
        )


def _whole_epochs(start: int, end: int, steps_per_epoch: int) -> Iterator[tuple[int, int, int]]:
    """`(first epoch, epoch to stop before, steps of each)`: the rest of an epoch, then whole ones."""
    epoch, done = divmod(start, steps_per_epoch)
    if done:
        yield epoch, epoch + 1, steps_per_epoch - done
        epoch += 1
    if epoch < end // steps_per_epoch:
        yield epoch, end // steps_per_epoch, steps_per_epoch


def _callbacks(
    config: Config,
    source: Source,
    workdir: Workdir | None,
    checkpoints: Checkpoints,
    schedule: Schedule,
    steps_per_epoch: int,
    model: SoftIntroVAE,
    group: Workers,
    reporter: live_report.Reporter | None,
) -> list[keras.callbacks.Callback]:
    rates = callbacks.LearningRates(
        build.learning_rates(config),
        config.lr_milestones,
        lambda: checkpoints.state.rate_factor,
    )
    records: list[keras.callbacks.Callback] = []
    reports: list[keras.callbacks.Callback] = []
    if workdir is not None:
        figures = plots.TrainingFigures(model, source, config.seed)
        records = [
            callbacks.History(workdir.history),
            _summaries(config, source, workdir, model, figures),
            progress.Progress(config.batch_size, schedule.total, steps_per_epoch),
        ]
        if config.profile_steps:
            first, last = config.profile_steps
            records.append(Profile(workdir.profile, first, last, config.batch_size))
        if reporter is not None:
            reports.append(
                live_report.LiveReport(
                    reporter,
                    workdir.root,
                    Snapshots(model, source, figures, config.seed).take,
                    checkpoints.state,
                    config.batch_size,
                    schedule.total,
                )
            )
    return [
        # First: nothing below may record what is not finite. Several workers look at the same steps.
        callbacks.StopOnDivergence(0.0 if group.several else 1.0),
        rates,
        *records,
        callbacks.SaveCheckpoints(checkpoints, config.checkpoint_seconds, group.any),
        *([callbacks.EndTogether(group.any)] if config.early_stop_epochs else []),
        *reports,
    ]


def _summaries(
    config: Config,
    source: Source,
    workdir: Workdir,
    model: SoftIntroVAE,
    draw: Callable[[], dict[str, np.ndarray]],
) -> Summaries:
    """What TensorBoard shows of the training."""

    servable = LiveServable(source.value_limits)

    def project() -> None:
        signatures = servable(model).signatures
        write_projection(signatures, source, workdir.tensorboard, config.seed)

    return Summaries(
        workdir.tensorboard,
        draw,
        PriorObserver(model, source, config.seed),
        project,
        config.batch_size,
        config.epochs,
    )


def validation_batches(source: Source, batch_size: int) -> tf.data.Dataset:
    """The test split [B, *shape], once, in its stored order; an endless stream draws 5,000 examples."""
    spec = tf.TensorSpec((None, *source.shape), tf.float32)
    read = source.batches
    batches = tf.data.Dataset.from_generator(
        lambda: (examples.x for examples in read("test", batch_size)), output_signature=spec
    )
    return pipelines.untuned(batches.prefetch(1))


def refresh_batch_norm(
    model: SoftIntroVAE, source: Source, config: Config, least_steps: int = 100
) -> None:
    """Re-estimates the running batch-norm statistics on real data and its reconstructions.

    Training mixes the statistics of real, reconstructed and fake batches. One pass over the real data, or
    `least_steps` batches where that is more, replaces them (0.9^100 of the old ones remain); weights stay.

    Args:
        model: trained model; nothing is done to one without batch norm.
        source: data set of the run.
        config: settings of the run, batch size and seed among them.
        least_steps: least number of batches.
    """
    if not (has_batch_norm(model.encoder) or has_batch_norm(model.decoder)):
        return
    steps = max(least_steps, _steps_per_epoch(config, source))

    @tf.function
    def refresh(x, step):
        mean, logvar = model.encoder(x, training=True)
        eps = tf.random.stateless_normal(tf.shape(mean), [config.seed, step], alg="philox")
        model.decoder(objectives.reparameterize(mean, logvar, eps), training=True)

    batches = source.train_batches(config.batch_size, config.seed).take(steps)
    for step, (x, _) in batches.enumerate():
        refresh(x, tf.cast(step, tf.int32))
