"""Draws from an exported model: samples, by component, reconstructions, interpolations.

    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model
    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model --component=3 --output=threes/
    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model --by_component
    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model --reconstruct=a.png,b.png
    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model --interpolate=a.png,b.png
    python -m tf_sintrovae.sample --saved_model=runs/digits/saved_model --interpolate_components=0,3

The ending of --output says what is written: a picture (.png), an array (.npy), a table of points (.csv), or,
without an ending, a new folder with an image file each.
"""

import os
import pathlib
import typing
from collections.abc import Mapping

from absl import flags

from tf_sintrovae import command
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path
from tf_sintrovae.serving import model_info, saved_model

if typing.TYPE_CHECKING:  # it imports TensorFlow
    from tf_sintrovae.generation.gallery import Gallery

# What may be asked for instead of samples of the whole prior: the signatures that it needs, and the name of
# the picture.
_KINDS = {
    "component": (("prior", "decode"), "samples"),
    "by_component": (("prior", "decode"), "by_component"),
    "reconstruct": (("encode", "decode"), "reconstructions"),
    "interpolate": (("encode", "decode"), "interpolation"),
    "interpolate_components": (("prior", "decode"), "interpolation"),
}
_SAMPLES = (("sample",), "samples")
_ENDINGS = (".png", ".npy", ".csv")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of this command.

    Args:
        values: flags to add to.
    """
    flags.DEFINE_string("saved_model", None, "folder of the exported model", flag_values=values)
    flags.DEFINE_string(
        "output",
        None,
        "file to write, .png, .npy or .csv (points), or a new folder; a .png beside the model by default",
        flag_values=values,
    )
    flags.DEFINE_integer("seed", 0, "seed of all draws", 0, 2**31 - 1, flag_values=values)
    flags.DEFINE_integer(
        "num_samples",
        None,
        "samples to draw: 64 by default, 12 of each component with --by_component",
        1,
        10**6,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "component", None, "draw from this component of the prior alone", flag_values=values
    )
    flags.DEFINE_bool(
        "by_component", False, "draw from each component, a row each", flag_values=values
    )
    flags.DEFINE_list(
        "reconstruct",
        [],
        "examples to reconstruct: images, folders of them, .npy files",
        flag_values=values,
    )
    flags.DEFINE_list(
        "interpolate", [], "examples to go between, from each to the next", flag_values=values
    )
    flags.DEFINE_list(
        "interpolate_components",
        [],
        "components to go between, from the mean of each to that of the next",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_steps", 10, "steps of an interpolation, with both ends", 2, 1_000, flag_values=values
    )


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Loads the model, draws, and writes one file or folder.

    Args:
        values: parsed flags.

    Raises:
        UserError: the model, a flag or a given file cannot be used, or the output cannot be written.
    """
    kind = _kind(values)
    needed, name = _SAMPLES if kind is None else _KINDS[kind]
    components = _numbers(values.interpolate_components)
    path = _locate(values.saved_model)
    output = _output(values.output, path.parent / f"{name}.png")
    settings = model_info.read(path).get("settings", {})
    command.quieten_tensorflow()
    # As in training: TensorFlow leaves oneDNN off on CPUs without AVX-512.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    command.import_tensorflow()
    from tf_sintrovae.generation import outputs

    signatures = saved_model.load(path, needed).signatures
    gallery = _generate(values, kind, components, signatures, settings.get("image_size") or None)
    print(f"{len(gallery.x)} of shape {_shape_text(gallery)}: {outputs.write(gallery, output)}")


def _generate(
    values: flags.FlagValues,
    kind: str | None,
    components: list[int],
    signatures: Mapping,
    image_size: int | None,
) -> "Gallery":
    """What the flags ask for."""
    from tf_sintrovae.generation import gallery, inputs

    count, seed = values.num_samples or (12 if kind == "by_component" else 64), values.seed
    match kind:
        case None:
            return gallery.samples(signatures, count, seed)
        case "component":
            return gallery.component_samples(signatures, values.component, count, seed)
        case "by_component":
            return gallery.samples_by_component(signatures, count, seed)
        case "interpolate_components":
            return gallery.component_interpolations(signatures, components, values.num_steps)
    (spec,) = signatures["encode"].structured_input_signature[1].values()
    x, names = inputs.read(values[kind].value or [], tuple(spec.shape[1:]), image_size)
    if kind == "reconstruct":
        return gallery.reconstructions(signatures, x, names)
    return gallery.interpolations(signatures, x, values.num_steps)


def _kind(values: flags.FlagValues) -> str | None:
    """The one flag of `_KINDS` that is given; None for samples of the whole prior."""
    given = [name for name in _KINDS if values[name].value != values[name].default]
    if len(given) > 1:
        raise UserError(f"--{given[0]} and --{given[1]}: expected one of them; give a command each")
    return given[0] if given else None


def _numbers(texts: list[str]) -> list[int]:
    """The components to go between."""
    try:
        numbers = [int(text) for text in texts]
    except ValueError:
        numbers = []
    if texts and len(numbers) < 2:
        raise UserError(
            f"interpolate_components={','.join(texts)}: expected two or more whole numbers, as 0,3"
        )
    return numbers


def _locate(name: str | None) -> pathlib.Path:
    if not name:
        raise UserError("--saved_model is needed: the folder that main wrote, RUN/saved_model")
    return saved_model.locate(name)


def _output(name: str | None, default: pathlib.Path) -> pathlib.Path:
    """Where to write; a name with an ending that nothing is written in is taken for a mistake."""
    if not name:
        return default
    path = user_path(name)
    if path.suffix and path.suffix.lower() not in _ENDINGS and not path.is_dir():
        raise UserError(
            f"output={name}: expected an ending of {', '.join(_ENDINGS)}, or none for a new folder"
        )
    return path


def _shape_text(gallery: "Gallery") -> str:
    return "x".join(map(str, gallery.x.shape[1:]))


if __name__ == "__main__":
    define_flags()
    command.run(main)
