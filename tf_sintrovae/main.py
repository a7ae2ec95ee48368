"""Trains a Soft-IntroVAE with a learnable prior, measures it and exports it.

    python -m tf_sintrovae.main --flagfile=configs/digits.flags
    python -m tf_sintrovae.main --preset=8gaussians --epochs=60

A run lives in its --workdir. The same command continues it where it stopped, up to --epochs; Ctrl-C stops
it at any time without loss. --preset=NAME stands for the flag file of that name that comes with the package.
"""

import json
import os
import sys
import time
from collections.abc import Collection

from absl import flags

from tf_sintrovae import command, config, presets

STOPPED_EXIT_CODE = command.INTERRUPTED


def main() -> None:
    """Runs the flags' settings from data to export."""
    settings = config.from_flags()
    command.quieten_tensorflow()
    # TensorFlow leaves oneDNN off on CPUs without AVX-512; its convolutions are faster there as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from tf_sintrovae.training import workdir

    with workdir.opened(settings) as folder:
        command.import_tensorflow()
        run(settings, folder, config.open_settings())


def run(settings: config.Config, folder, open_settings: Collection[str] = frozenset()) -> None:
    """Data -> training -> export -> pictures -> evaluation, inside an open workdir.

    What was trained is exported first: pictures and measures may fail, and may be made again.

    Args:
        settings: of the run.
        folder: `workdir.Workdir` that takes everything.
        open_settings: names of the settings that the user left at their defaults.

    Raises:
        UserError: settings, data or checkpoints that cannot be used.
        SystemExit: training or evaluation was stopped, or pictures or measures failed.
    """
    from tf_sintrovae import evaluation
    from tf_sintrovae.data import registry
    from tf_sintrovae.serving import export
    from tf_sintrovae.training import callbacks, loop

    source = registry.load(
        settings.dataset,
        settings.data_dir,
        settings.image_size,
        settings.seed,
        settings.max_data_gib,
    )
    evaluation.check_metrics(source, settings.metrics)
    _announce(settings, folder, source)
    hint = presets.hint(settings, source.shape, open_settings)
    if hint is not None:
        print(hint, flush=True)
    start = time.monotonic()
    try:
        model = loop.train(settings, source, folder)
    except callbacks.Stopped as stopped:
        print(f"{stopped}; a checkpoint is saved, the same command continues from it")
        sys.exit(STOPPED_EXIT_CODE)
    print(f"trained to step {int(model.step.numpy())} in {_duration(start)}")
    epoch = loop.trained_epochs(settings, source, int(model.step.numpy()))

    clip = (0.0, 1.0) if source.is_image else None
    if settings.export:
        info = {"dataset": source.name, "epoch": epoch}
        info["settings"] = json.loads(settings.to_json())
        servable = export.export(model, folder.saved_model, clip_images=clip, info=info)
    else:
        servable = export.Servable(model, clip)
    failed = _draw(settings, folder, source, servable)
    if settings.evaluate:
        failed += _evaluate(settings, folder, source, model, servable, epoch)
    _say_where(settings, folder)
    command.end_incomplete(failed)


def _announce(settings, folder, source) -> None:
    size = "endless stream" if source.num_train is None else f"{source.num_train:,} examples"
    shape = "x".join(map(str, source.shape))
    print(f"data set {source.name}: {size} of shape {shape}; run in {folder.root}/", flush=True)


def _draw(settings, folder, source, servable) -> list[str]:
    """Draws all pictures; returns the name of what failed."""
    from tf_sintrovae import evaluation, plots
    from tf_sintrovae.training import history

    try:
        losses = history.read_history(folder.history)
        plots.draw_figures(servable.signatures, source, losses, folder.figures, settings.seed)
    except Exception as error:  # pictures are not worth the measures
        print(f"pictures failed: {evaluation.in_one_line(error)}")
        return ["pictures"]
    return []


def _evaluate(settings, folder, source, model, servable, epoch) -> list[str]:
    """Measures, prints and writes; returns the names of measures that failed."""
    from tf_sintrovae import evaluation
    from tf_sintrovae.evaluation import results

    start, step = time.monotonic(), int(model.step.numpy())

    def collect(outcome):
        return results.collect_results(outcome, source, settings.seed, step, epoch)

    try:
        outcome = evaluation.measure(
            servable,
            source,
            settings.metrics or None,
            seeds=(settings.seed,),
            progress=results.progress(start),
            options=evaluation.Options(entropy_batch_size=settings.batch_size),
            record=results.recorder(collect, folder.results),
        )
    except KeyboardInterrupt:
        print("evaluation was interrupted; training is complete, the same command measures again")
        sys.exit(STOPPED_EXIT_CODE)
    print(results.table(outcome))
    results.write(collect(outcome), folder.results)
    print(f"evaluated in {_duration(start)}")
    return list(outcome.errors)


def _say_where(settings, folder) -> None:
    places = {
        "pictures": folder.figures,
        "losses and pictures over time": f"tensorboard --logdir {folder.tensorboard}",
        "measures": folder.results if settings.evaluate else None,
        "export": _with_size(folder.saved_model) if settings.export else None,
        "checkpoints": folder.checkpoints,
    }
    for name, place in places.items():
        if place is not None:
            print(f"{name}: {place}")


def _with_size(path) -> str:
    from tf_sintrovae.serving import export

    return f"{path} ({export.size_bytes(path) / 1e6:.1f} MB)"


def _duration(start: float) -> str:
    seconds = round(time.monotonic() - start)
    return f"{seconds // 60} min {seconds % 60:02d} s"


if __name__ == "__main__":
    config.define_flags()
    flags.adopt_module_key_flags(config)  # so that --help lists them
    command.run(main)
