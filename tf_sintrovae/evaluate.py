"""Measures an exported model on a data set.

    python -m tf_sintrovae.evaluate --saved_model=runs/digits/saved_model

Any SavedModel with the signatures of docs/evaluation.md will do.
"""

import dataclasses
import os
import pathlib
import time
from typing import TYPE_CHECKING, Any

from absl import flags

from tf_sintrovae import command, evaluation
from tf_sintrovae.data import names
from tf_sintrovae.data.loader_options import MAX_DATA_GIB
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import options
from tf_sintrovae.serving import model_info, saved_model

if TYPE_CHECKING:
    from tf_sintrovae.data.source import Source
    from tf_sintrovae.evaluation import Outcome


def define_flags() -> None:
    """Defines the flags of this command, those of `evaluation.Options` among them."""
    flags.DEFINE_string("saved_model", None, "folder of the exported model")
    flags.DEFINE_string(
        "dataset", None, "data set: a name of docs/data.md; by default the one of the run"
    )
    flags.DEFINE_string(
        "data_dir", None, "folder with the data set's files (docs/data.md); the run's by default"
    )
    flags.DEFINE_integer(
        "image_size", None, "resize images to this height and width; as in the run by default"
    )
    flags.DEFINE_float(
        "max_data_gib", MAX_DATA_GIB, "refuse data files that take more memory, in GiB", 0.0
    )
    flags.DEFINE_list("metrics", [], "metrics to take; all that suit the data by default")
    flags.DEFINE_integer("seed", 0, "seed of all draws", 0, 2**31 - 1)
    flags.DEFINE_integer(
        "num_seeds", 1, "seeds from --seed on; metrics are means over them", 1, 1_000
    )
    flags.DEFINE_string(
        "output", None, "JSON file to write; results.json beside the model by default"
    )
    flags.DEFINE_string(
        "ood_dataset", None, "data set that the ELBO is to tell from --dataset (AUROC)"
    )
    flags.DEFINE_string("ood_data_dir", None, "folder with the files of --ood_dataset")
    options.define_flags()


def main() -> None:
    """Loads model and data, measures, prints and writes.

    Raises:
        UserError: the model or the data cannot be used, or results cannot be written.
        SystemExit: some metrics failed (code 3); the others were taken.
    """
    values = flags.FLAGS
    path = _saved_model(values.saved_model)
    _check_seeds(values)
    info = model_info.read(path)
    command.quieten_tensorflow()
    # As in training: TensorFlow leaves oneDNN off on CPUs without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    from tf_sintrovae.evaluation import progress, results

    start = time.monotonic()
    source = _source(values, info.get("settings", {}))
    output = pathlib.Path(values.output or path.parent / "results.json")

    def collect(outcome: "Outcome") -> dict[str, Any]:
        step, epoch = info.get("step"), info.get("epoch")
        told = results.collect_results(outcome, source, values.seed, step, epoch)
        return told | {"saved_model": str(path)}

    outcome = evaluation.measure(
        saved_model.load(path),
        source,
        tuple(values.metrics) or None,
        tuple(range(values.seed, values.seed + values.num_seeds)),
        progress.ProgressLines(start, command.progress_stream()),
        _options(values, info.get("settings", {})),
        results.recorder(collect, output),
    )
    print(results.table(outcome))
    results.write(collect(outcome), output)
    print(f"measured in {time.monotonic() - start:.0f} s: {output}")
    command.end_incomplete(outcome.errors)


def _check_seeds(values: flags.FlagValues) -> None:
    if values.seed + values.num_seeds > 2**31:
        raise UserError(
            f"seed={values.seed} and num_seeds={values.num_seeds}: expected seeds under {2**31:,}"
        )


def _source(values: flags.FlagValues, settings: dict[str, Any]) -> "Source":
    """The data set that the flags name, by default the run's; split into training and test as in the run."""
    from tf_sintrovae.data import registry

    name = values.dataset or settings.get("dataset") or "digits"
    own = settings if names.canonical(name) == settings.get("dataset") else {}
    return registry.load(
        name,
        own.get("data_dir") if values.data_dir is None else values.data_dir,
        own.get("image_size") if values.image_size is None else values.image_size,
        own.get("seed", values.seed),
        values.max_data_gib,
    )


def _options(values: flags.FlagValues, settings: dict[str, Any]) -> options.Options:
    """The options that the flags and the run give; the other data set is loaded."""
    from tf_sintrovae.data import registry

    other = None
    if values.ood_dataset is not None:
        other = registry.load(
            values.ood_dataset,
            values.ood_data_dir,
            values.image_size,
            values.seed,
            values.max_data_gib,
        )
    return dataclasses.replace(
        options.from_flags(values),
        entropy_batch_size=values.entropy_batch_size or settings.get("batch_size", 128),
        ood_source=other,
    )


def _saved_model(name: str | None) -> pathlib.Path:
    if not name:
        raise UserError("--saved_model is needed: the folder that main wrote, RUN/saved_model")
    return saved_model.locate(name)


if __name__ == "__main__":
    define_flags()
    flags.adopt_module_key_flags(options)  # so that --help lists them
    command.run(main)
