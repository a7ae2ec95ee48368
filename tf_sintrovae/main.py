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

from absl import flags

from tf_sintrovae import command, config

STOPPED_EXIT_CODE = 130


def main() -> None:
    """Runs the flags' settings from data to export."""
    settings = config.from_flags()
    command.quieten_tensorflow()
    # TensorFlow leaves oneDNN off on CPUs without AVX-512; its convolutions are faster there as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from tf_sintrovae import (
        workdir,
    )  # after the flags were checked: TensorFlow takes seconds to import

    with workdir.opened(settings) as folder:
        command.import_tensorflow()
        run(settings, folder)


def run(settings: config.Config, folder) -> None:
    """Data -> training -> pictures -> evaluation -> export, inside an open workdir.

    Args:
        settings: of the run.
        folder: `workdir.Workdir` that takes everything.

    Raises:
        UserError: settings, data or checkpoints that cannot be used.
    """
    from tf_sintrovae import callbacks, export, history, plots, training
    from tf_sintrovae.data import registry

    source = registry.load(settings.dataset, settings.data_dir, settings.image_size, settings.seed)
    _announce(settings, folder, source)
    start = time.monotonic()
    try:
        model = training.train(settings, source, folder)
    except callbacks.Stopped as stopped:
        print(f"{stopped}; a checkpoint is saved, the same command continues from it")
        sys.exit(STOPPED_EXIT_CODE)
    print(f"trained to step {int(model.step.numpy())} in {_duration(start)}")
    epoch = training.trained_epochs(settings, source, int(model.step.numpy()))

    clip = (0.0, 1.0) if source.is_image else None
    servable = export.Servable(model, clip)
    losses = history.read_history(folder.history)
    plots.draw_figures(servable.signatures, source, losses, folder.figures, settings.seed)
    if settings.evaluate:
        _evaluate(settings, folder, source, model, servable, epoch)
    if settings.export:
        info = {"dataset": source.name, "epoch": epoch}
        info["settings"] = json.loads(settings.to_json())
        export.export(model, folder.saved_model, clip_images=clip, info=info)
    _say_where(settings, folder)


def _announce(settings, folder, source) -> None:
    size = "endless stream" if source.num_train is None else f"{source.num_train:,} examples"
    shape = "x".join(map(str, source.shape))
    print(f"data set {source.name}: {size} of shape {shape}; run in {folder.root}/", flush=True)


def _evaluate(settings, folder, source, model, servable, epoch) -> None:
    from tf_sintrovae import evaluation, report

    start = time.monotonic()
    outcome = evaluation.measure(
        servable, source, seeds=(settings.seed,), progress=report.progress(start)
    )
    step = int(model.step.numpy())
    results = report.results(outcome, source, settings.seed, step, epoch)
    report.write(results, folder.results)
    print(report.table(outcome))
    print(f"evaluated in {_duration(start)}")


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
    from tf_sintrovae import export

    return f"{path} ({export.size_bytes(path) / 1e6:.1f} MB)"


def _duration(start: float) -> str:
    seconds = round(time.monotonic() - start)
    return f"{seconds // 60} min {seconds % 60:02d} s"


if __name__ == "__main__":
    config.define_flags()
    flags.adopt_module_key_flags(config)  # so that --help lists them
    command.run(main)
