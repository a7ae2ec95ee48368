"""Measures an exported model on a data set.

    python -m tf_sintrovae.evaluate --saved_model=runs/digits/saved_model --dataset=digits

Any SavedModel with the signatures of docs/evaluation.md will do.
"""

import json
import os
import pathlib
import sys

from absl import flags

from tf_sintrovae import command
from tf_sintrovae.errors import UserError


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("saved_model", None, "folder of the exported model")
    flags.DEFINE_string("dataset", "digits", "data set: a name of docs/data.md")
    flags.DEFINE_string("data_dir", None, "folder with the data set's files (docs/data.md)")
    flags.DEFINE_integer("image_size", None, "resize images to this height and width")
    flags.DEFINE_list("metrics", [], "measures to take; all that suit the data by default")
    flags.DEFINE_integer("seed", 0, "of all draws", lower_bound=0)
    flags.DEFINE_string(
        "output", None, "JSON file to write; results.json beside the model by default"
    )


def main() -> None:
    """Loads model and data, measures, prints and writes."""
    values = flags.FLAGS
    path = _saved_model(values.saved_model)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    command.log_to_stderr()
    import tensorflow as tf

    from tf_sintrovae import evaluation, report
    from tf_sintrovae.data import registry

    source = registry.load(values.dataset, values.data_dir, values.image_size, values.seed)
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"saved_model={path} cannot be loaded: {reason}") from error
    figures = evaluation.evaluate(
        model,
        source,
        tuple(values.metrics) or None,
        values.seed,
        lambda name: print(f"measuring {name} ...", file=sys.stderr, flush=True),
    )
    info = json.loads((path / "model_info.json").read_text()) if _has_info(path) else {}
    results = report.results(
        figures, source, values.seed, step=info.get("step"), epoch=info.get("epoch")
    )
    output = pathlib.Path(values.output or path.parent / "results.json")
    report.write(results, output)
    print(report.table(figures))
    print(f"measures: {output}")


def _has_info(path: pathlib.Path) -> bool:
    return (path / "model_info.json").is_file()


def _saved_model(name: str | None) -> pathlib.Path:
    if name is None:
        raise UserError("--saved_model is needed: the folder that main wrote, RUN/saved_model")
    path = pathlib.Path(name).expanduser()
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            f"saved_model={name}: no SavedModel there (no saved_model.pb); name the folder that main wrote"
        )
    return path


if __name__ == "__main__":
    define_flags()
    command.run(main)
