"""Measures an exported model on a data set.

    python -m tf_sintrovae.evaluate --saved_model=runs/digits/saved_model

Any SavedModel with the signatures of docs/evaluation.md will do.
"""

import json
import pathlib
import time

from absl import flags

from tf_sintrovae import command
from tf_sintrovae.data import names
from tf_sintrovae.data.loader_options import MAX_DATA_GIB
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving import saved_model


def define_flags() -> None:
    """Defines the flags of this command."""
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
    flags.DEFINE_list("metrics", [], "measures to take; all that suit the data by default")
    flags.DEFINE_integer("seed", 0, "seed of all draws", 0, 2**31 - 1)
    flags.DEFINE_integer(
        "num_seeds", 1, "seeds from --seed on; figures are means over them", 1, 1_000
    )
    flags.DEFINE_string(
        "output", None, "JSON file to write; results.json beside the model by default"
    )
    _define_options()


def _define_options() -> None:
    """The flags of `evaluation.Options`."""
    flags.DEFINE_integer("num_images", 50_000, "images and samples to compare, at most", 16)
    flags.DEFINE_integer("iwae_images", 200, "test examples of the importance-weighted bound", 1)
    flags.DEFINE_integer("iwae_samples", 1_000, "importance samples for each of them", 1)
    flags.DEFINE_integer(
        "entropy_batch_size",
        None,
        "examples in a batch of the assignment entropy; the run's batch size by default, else 128",
        1,
    )
    flags.DEFINE_list(
        "feature_networks",
        ["classifier"],
        "networks that compare images: classifier, inception-2015, keras-inception-v3",
    )
    flags.DEFINE_string(
        "inception_path", None, "frozen graph or SavedModel of the original Inception network"
    )
    flags.DEFINE_string(
        "keras_inception_weights", None, "weights file of Keras's InceptionV3; else downloaded"
    )
    flags.DEFINE_string(
        "cache_dir",
        None,
        "for classifiers and features of real data; ~/.cache/tf_sintrovae by default",
    )
    flags.DEFINE_bool(
        "batch_statistics",
        False,
        "also measure samples decoded with the batch-norm statistics of their own batch",
    )
    flags.DEFINE_string(
        "ood_dataset", None, "data set that the ELBO is to tell from --dataset (AUROC)"
    )
    flags.DEFINE_string("ood_data_dir", None, "folder with the files of --ood_dataset")


def main() -> None:
    """Loads model and data, measures, prints and writes.

    Raises:
        UserError: a model or data that cannot be used, or results that cannot be written.
        SystemExit: code 3, measures failed; the others were taken.
    """
    values = flags.FLAGS
    path = _saved_model(values.saved_model)
    _check_seeds(values)
    info = _model_info(path)
    command.quieten_tensorflow()
    from tf_sintrovae import evaluation
    from tf_sintrovae.evaluation import results

    start = time.monotonic()
    source = _source(values, info.get("settings", {}))
    options = _options(values, info.get("settings", {}))
    output = pathlib.Path(values.output or path.parent / "results.json")

    def collect(outcome):
        step, epoch = info.get("step"), info.get("epoch")
        told = results.collect_results(outcome, source, values.seed, step, epoch)
        return told | {"saved_model": str(path)}

    outcome = evaluation.measure(
        saved_model.load(path),
        source,
        tuple(values.metrics) or None,
        tuple(range(values.seed, values.seed + values.num_seeds)),
        results.progress(start),
        options,
        results.recorder(collect, output),
    )
    print(results.table(outcome))
    results.write(collect(outcome), output)
    print(f"measured in {time.monotonic() - start:.0f} s: {output}")
    command.end_incomplete(outcome.errors)


def _check_seeds(values) -> None:
    if values.seed + values.num_seeds > 2**31:
        raise UserError(
            f"seed={values.seed} and num_seeds={values.num_seeds}: expected seeds under {2**31:,}"
        )


def _source(values, settings: dict):
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


def _options(values, settings: dict):
    """The flags as `evaluation.Options`; the other data set is loaded."""
    from tf_sintrovae import evaluation
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
    return evaluation.Options(
        num_images=values.num_images,
        entropy_batch_size=values.entropy_batch_size or settings.get("batch_size", 128),
        iwae_images=values.iwae_images,
        iwae_samples=values.iwae_samples,
        feature_networks=tuple(values.feature_networks),
        inception_path=values.inception_path,
        keras_inception_weights=values.keras_inception_weights,
        cache_dir=pathlib.Path(values.cache_dir).expanduser() if values.cache_dir else None,
        ood_source=other,
        batch_statistics=values.batch_statistics,
    )


def _model_info(path: pathlib.Path) -> dict:
    """What travels along with this project's exports; empty for those of others."""
    file = path / "model_info.json"
    if not file.is_file():
        return {}
    try:
        info = json.loads(file.read_text())
        if not _is_sound(info):
            raise ValueError("not what an export writes")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{file} is damaged ({error}): export the run again with main, or remove the file to measure "
            "with the flags alone"
        ) from error
    return info


def _is_sound(info) -> bool:
    """Whether what is taken from a `model_info.json` is of the right kind."""
    if not isinstance(info, dict) or not isinstance(info.get("settings", {}), dict):
        return False
    numbers = [info.get("step"), info.get("epoch")]
    settings = info.get("settings", {})
    numbers += [settings.get(name) for name in ("batch_size", "image_size", "seed")]
    texts = [settings.get(name) for name in ("dataset", "data_dir")]
    are_numbers = all(v is None or (type(v) is int and v >= 0) for v in numbers)
    return (
        are_numbers
        and all(v is None or isinstance(v, str) for v in texts)
        and settings.get("batch_size") != 0
    )


def _saved_model(name: str | None) -> pathlib.Path:
    if not name:
        raise UserError("--saved_model is needed: the folder that main wrote, RUN/saved_model")
    return saved_model.locate(name)


if __name__ == "__main__":
    define_flags()
    command.run(main)
