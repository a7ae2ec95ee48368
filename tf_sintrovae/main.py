"""Trains a Soft-IntroVAE with a learnable prior, measures and exports it.

    python -m tf_sintrovae.main --flagfile=configs/digits.flags
    python -m tf_sintrovae.main --preset=8gaussians --epochs=60

A run lives in its --workdir. The same command continues it where it stopped, up to --epochs; Ctrl-C stops
it at any time without loss. --preset=NAME stands for the flag file of that name that comes with the package.
"""

import contextlib
import json
import logging
import os
import pathlib
import sys
import time
import typing
from collections.abc import Callable, Collection
from typing import Any

from absl import flags

from tf_sintrovae import command, config, presets

if typing.TYPE_CHECKING:  # these import TensorFlow
    import tensorflow as tf

    from tf_sintrovae.data.source import Source
    from tf_sintrovae.model import SoftIntroVAE
    from tf_sintrovae.serving.export import Servable
    from tf_sintrovae.training.best import Best
    from tf_sintrovae.training.cluster import Cluster
    from tf_sintrovae.training.live_report import Reporter
    from tf_sintrovae.training.workdir import Workdir

STOPPED_EXIT_CODE = command.INTERRUPTED
_logger = logging.getLogger("tf_sintrovae.main")


def main() -> None:
    """Runs the flags' settings from data to export."""
    settings = config.from_flags()
    command.quieten_tensorflow()
    # TensorFlow leaves oneDNN off on CPUs without AVX-512; its convolutions are faster there as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from tf_sintrovae.training import workdir
    from tf_sintrovae.training.cluster import find_cluster

    cluster = find_cluster(settings.strategy)
    if cluster is not None:
        run_worker(settings, cluster, config.open_settings())
        return
    with workdir.open_workdir(settings) as folder:
        command.import_tensorflow()
        from tf_sintrovae.monitoring import results
        from tf_sintrovae.training import live_report

        with live_report.reported(folder.root) as reporter, results.shown(folder, settings):
            run(settings, folder, config.open_settings(), reporter)


def run(
    settings: config.Config,
    folder: "Workdir",
    open_settings: Collection[str] = frozenset(),
    reporter: "Reporter | None" = None,
) -> None:
    """Data -> training -> export -> figures -> evaluation, inside an open workdir.

    What was trained is exported first: figures and metrics may fail, and may be made again.

    Args:
        settings: settings of the run.
        folder: open folder of the run, which takes everything.
        open_settings: names of the settings that the user left at their defaults.
        reporter: writer of the run's report; None for a run without one.

    Raises:
        UserError: settings, data or checkpoints that cannot be used.
        SystemExit: training or evaluation was stopped, or figures or metrics failed.
    """
    from tf_sintrovae.training import strategy

    distribution = strategy.choose_strategy(settings)
    print(strategy.describe(distribution), flush=True)
    source = _load_data(settings, folder, open_settings)
    model = _train(settings, folder, source, distribution, reporter)
    _use(settings, folder, source, model, reporter)


def run_worker(
    settings: config.Config, cluster: "Cluster", open_settings: Collection[str] = frozenset()
) -> None:
    """What `main` does as one of several workers: they train together, the chief does all else.

    Each has read the same settings and data before a step is trained, and learns what has failed on another.
    Once the training is over, those that are not the chief end: there is nothing left to wait for.

    Args:
        settings: settings of the run.
        cluster: the workers.
        open_settings: names of the settings that the user left at their defaults.

    Raises:
        UserError: as `run`, on any worker, or one of them was lost.
        SystemExit: as `run`.
    """
    print(f"worker {cluster.index} of {len(cluster.addresses)}: waits for the others", flush=True)
    command.import_tensorflow()
    from tf_sintrovae.monitoring import results
    from tf_sintrovae.training import agreement, live_report, multi_worker, strategy, workdir
    from tf_sintrovae.training.workers import Workers

    with contextlib.ExitStack() as stack:
        with multi_worker.lost_worker_errors(cluster):
            distribution = strategy.choose_strategy(settings, cluster)
            print(strategy.describe(distribution), flush=True)
            workers = Workers(distribution)
            workers.require_equal("settings", agreement.shared_settings(settings))
            workers.require_equal("versions", agreement.versions())
            folder = reporter = None
            with workers.together():
                if workers.is_chief:
                    folder = stack.enter_context(workdir.open_workdir(settings))
                    reporter = stack.enter_context(live_report.reported(folder.root))
                    stack.enter_context(results.shown(folder, settings))
                source = _load_data(settings, folder, open_settings)
                fingerprint = source.fingerprint()
                if folder is not None:
                    folder.check_data(fingerprint)
            workers.require_equal("training data", fingerprint)
            model = _train(settings, folder, source, distribution, reporter)
        if folder is not None:
            _use(settings, folder, source, model, reporter)
        else:
            print("the chief, worker 0, exports and measures; this worker's part is done")


def _use(
    settings: config.Config,
    folder: "Workdir",
    source: "Source",
    model: "SoftIntroVAE",
    reporter: "Reporter | None",
) -> None:
    """Export, figures and evaluation of a trained model."""
    from tf_sintrovae.serving import saved_model
    from tf_sintrovae.training import loop

    step = int(model.step.numpy())
    epoch = loop.trained_epochs(settings, source, step)
    servable = _export(settings, folder, source, model, epoch)
    best = _export_best(settings, folder, source, model)
    failed = _draw(settings, folder, source, servable)
    if reporter is not None:
        reporter.write()
    if settings.evaluate:
        failed += _evaluate(settings, source, servable, step, epoch, folder.results, reporter)
    if settings.evaluate and best is not None:
        print(f"the checkpoint with the least {best.metric}, of epoch {best.epoch}:")
        model_best = saved_model.load(folder.saved_model_best)
        failed += _evaluate(
            settings, source, model_best, best.step, best.epoch, folder.results_best, reporter
        )
    _say_where(settings, folder)
    command.end_incomplete(failed)


def _load_data(
    settings: config.Config, folder: "Workdir | None", open_settings: Collection[str]
) -> "Source":
    """Loads the data set, and says what there is to train on and which settings may not suit it."""
    from tf_sintrovae import build, evaluation

    source = build.load_source(settings)
    evaluation.check_metrics(source, settings.metrics)
    size = "endless stream" if source.num_train is None else f"{source.num_train:,} examples"
    shape = "x".join(map(str, source.shape))
    place = "this worker writes nothing" if folder is None else f"run in {folder.root}/"
    print(f"data set {source.name}: {size} of shape {shape}; {place}", flush=True)
    hint = presets.hint(settings, source.shape, open_settings)
    if hint is not None and folder is not None:
        print(hint, flush=True)
    return source


def _train(
    settings: config.Config,
    folder: "Workdir | None",
    source: "Source",
    distribution: "tf.distribute.Strategy",
    reporter: "Reporter | None",
) -> "SoftIntroVAE":
    """Trains to the end, or ends the program where the user stops it."""
    from tf_sintrovae.training import callbacks, loop

    start = time.monotonic()
    try:
        measure = _best_metric(settings, source)
        model = loop.train(settings, source, folder, measure, distribution, reporter)
    except callbacks.Stopped as stopped:
        print(f"{stopped}; a checkpoint is saved, the same command continues from it")
        sys.exit(STOPPED_EXIT_CODE)
    print(f"trained to step {int(model.step.numpy())} in {_duration(start)}")
    return model


def _best_metric(
    settings: config.Config, source: "Source"
) -> "Callable[[SoftIntroVAE], float] | None":
    """The function that takes the settings' `best_metric` of a model in training, if they name one.

    Raises:
        UserError: a metric that does not suit the data.
    """
    from tf_sintrovae.evaluation import single
    from tf_sintrovae.serving.servable import LiveServable

    if settings.best_metric is None:
        return None
    measure = single.single_metric(
        source, settings.best_metric, settings.seed, settings.eval_images
    )
    servable = LiveServable(source.value_limits)
    return lambda model: measure(servable(model))


def _export_best(
    settings: config.Config, folder: "Workdir", source: "Source", model: "SoftIntroVAE"
) -> "Best | None":
    """Exports the best checkpoint, if one is kept, and leaves the model as it was."""
    from tf_sintrovae.training.best import BestCheckpoint

    if settings.best_metric is None:
        return None
    checkpoint = BestCheckpoint(model, folder.best)
    best = checkpoint.read(settings.best_metric)
    if best is not None:
        with checkpoint.restored(best):
            _write_export(settings, folder.saved_model_best, source, model, best.step, best.epoch)
    return best


def _export(
    settings: config.Config, folder: "Workdir", source: "Source", model: "SoftIntroVAE", epoch: int
) -> "Servable":
    """The model as others see it, written to the folder if the settings ask for it."""
    from tf_sintrovae.serving import export

    if not settings.export:
        return export.Servable(model, source.value_limits)
    step = int(model.step.numpy())
    return _write_export(settings, folder.saved_model, source, model, step, epoch)


def _write_export(
    settings: config.Config,
    path: pathlib.Path,
    source: "Source",
    model: "SoftIntroVAE",
    step: int,
    epoch: int,
) -> "Servable":
    from tf_sintrovae.serving import export

    info = {"dataset": source.name, "step": step, "epoch": epoch}
    info["settings"] = json.loads(settings.to_json())
    return export.export(model, path, clip_images=source.value_limits, info=info)


def _draw(
    settings: config.Config, folder: "Workdir", source: "Source", servable: "Servable"
) -> list[str]:
    """Draws all figures; returns the name of what failed."""
    from tf_sintrovae import evaluation, plots
    from tf_sintrovae.monitoring.projector import write_projection
    from tf_sintrovae.training import history, snapshots

    try:
        losses = history.read_history(folder.history)
        plots.draw_figures(servable.signatures, source, losses, folder.figures, settings.seed)
        snapshots.replace(servable.signatures, source, folder.root, settings.seed)
        write_projection(servable.signatures, source, folder.tensorboard, settings.seed)
    except Exception as error:  # figures are not worth the metrics
        _logger.warning("figures failed: %s", evaluation.in_one_line(error))
        return ["figures"]
    return []


def _evaluate(
    settings: config.Config,
    source: "Source",
    servable: Any,
    step: int,
    epoch: int,
    path: pathlib.Path,
    reporter: "Reporter | None",
) -> list[str]:
    """Measures, prints and writes; returns the names of metrics that failed."""
    from tf_sintrovae import evaluation
    from tf_sintrovae.evaluation import progress, results

    start = time.monotonic()

    def collect(outcome: evaluation.Outcome) -> dict:
        return results.collect_results(outcome, source, settings.seed, step, epoch)

    write = results.recorder(collect, path)

    def record(outcome: evaluation.Outcome) -> None:
        write(outcome)
        if reporter is not None:
            reporter.write_if_due()

    try:
        outcome = evaluation.measure(
            servable,
            source,
            settings.metrics or None,
            seeds=(settings.seed,),
            progress=progress.ProgressLines(start, command.progress_stream()),
            options=evaluation.Options(entropy_batch_size=settings.batch_size),
            record=record,
        )
    except KeyboardInterrupt:
        print("evaluation was interrupted; training is complete, the same command measures again")
        sys.exit(STOPPED_EXIT_CODE)
    print(results.short_table(outcome, path))
    results.write(collect(outcome), path)
    print(f"evaluated in {_duration(start)}")
    return list(outcome.errors)


def _say_where(settings: config.Config, folder: "Workdir") -> None:
    places = {
        "report": folder.report if folder.report.exists() else None,
        "figures": folder.figures,
        "losses and figures over time": f"tensorboard --logdir {folder.tensorboard}",
        "metrics": folder.results if settings.evaluate else None,
        "export": _with_size(folder.saved_model) if settings.export else None,
        "best checkpoint's metrics": folder.results_best if folder.results_best.exists() else None,
        "best checkpoint's export": folder.saved_model_best if folder.best.exists() else None,
        "checkpoints": folder.checkpoints,
    }
    for name, place in places.items():
        if place is not None:
            print(f"{name}: {place}")


def _with_size(path: pathlib.Path) -> str:
    from tf_sintrovae.serving import export

    return f"{path} ({export.size_bytes(path) / 1e6:.1f} MB)"


def _duration(start: float) -> str:
    seconds = round(time.monotonic() - start)
    return f"{seconds // 60} min {seconds % 60:02d} s"


if __name__ == "__main__":
    config.define_flags()
    flags.adopt_module_key_flags(config)  # so that --help lists them
    command.run(main)
