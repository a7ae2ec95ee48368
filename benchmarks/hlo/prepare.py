"""Prepares what a GPU machine measures: kernel programs, and training steps of two settings.

    python -m benchmarks.hlo.prepare --output=FOLDER
    cd FOLDER && python -m benchmarks.hlo.measure .        # there; again, until it says that all is measured

Needs TensorFlow, and JAX to convert the programs; FOLDER needs JAX and NumPy, and PyTorch for its part. What
`python -m benchmarks.hlo.export --output=FOLDER/NAME` writes is checked and timed too.
"""

import argparse
import pathlib
import typing
from collections.abc import Sequence
from typing import Any

from benchmarks import training_step
from benchmarks.hlo.kernel_cases import NAMES, SIZES, Size, parse_size, problem

if typing.TYPE_CHECKING:  # it imports TensorFlow
    from tf_sintrovae.kernels.platforms import Platform

KINDS = {"mixture": "project", "naive": "naive"}  # of steps, and what tables call them


def main() -> None:
    """Writes the folders that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder to write")
    parser.add_argument("--platform", choices=("gpu", "cpu"), default="gpu", help="for the kernels")
    parser.add_argument("--sizes", default=",".join(size.name for size in SIZES), help="KxLxN,...")
    parser.add_argument("--settings", default="fmnist,cifar10", help="of benchmarks.training_step")
    parser.add_argument("--jax_python", help="a Python that has JAX; this one by default")
    options = parser.parse_args()
    from benchmarks.hlo import package

    python = options.jax_python or package.default_python()
    package.require_jax(python)
    prepare_kernels(
        options.output / "kernels",
        [parse_size(text) for text in options.sizes.split(",")],
        *(options.platform, python),
    )
    for name in options.settings.split(","):
        setting = training_step.SETTINGS[name]
        prepare_steps(options.output / name, setting, options.platform, python)
    package.copy_code(options.output)


def prepare_kernels(
    root: pathlib.Path, sizes: Sequence[Size], platform: "Platform", python: str
) -> None:
    """Writes the programs of the mixture's density and all its gradients, one a size."""
    import tensorflow as tf

    from benchmarks import kernels
    from benchmarks.hlo import package, programs
    from tf_sintrovae.kernels import platforms

    package.open_folder(root)
    function = kernels.value_and_gradients(kernels.kernel_log_prob())

    def named(*arguments):
        density, *gradients = function(*arguments)
        names = [f"grad_{name}" for name in NAMES]
        return {"log_prob": density, **dict(zip(names, gradients, strict=True))}

    traced = {}
    for size in sizes:
        specs = [tf.TensorSpec(value.shape, value.dtype) for value in problem(size)]
        arguments = dict(zip(NAMES, specs, strict=True))
        with platforms.use_platform(platform):
            traced[size.name] = programs.trace(named, arguments, {})
    meta: dict[str, Any] = {"kind": "kernels", "platform": platform, "variables": []}
    package.close_folder(root, meta, traced, python)


def prepare_steps(root: pathlib.Path, setting: Any, platform: "Platform", python: str) -> None:
    """Writes the steps of a setting of `benchmarks.training_step`, as they are and written naively."""
    from benchmarks.hlo import arrays, package, programs, variables
    from tf_sintrovae.kernels import platforms

    package.open_folder(root)
    traced, ways = {}, {}
    x = training_step.batch(setting)
    for stage in training_step.STAGES:
        for kind, way in KINDS.items():
            model = training_step.build_model(kind, stage, setting)
            named = variables.named_variables(model)
            name = f"{kind}_{stage}"
            with platforms.use_platform(platform):
                traced[name] = programs.trace(_step_of(model), {"x": x}, named)
            ways[name] = (stage, way)
    arrays.write_arrays(root / "state.npz", variables.values_of(named), compress=True)
    arrays.write_arrays(root / "data.npz", {"x": x.numpy()})
    meta = {
        "kind": "steps",
        "platform": platform,
        "variables": list(named),
        "ways": ways,
        "stages": training_step.STAGES,
        "setting": training_step.describe(setting),
    }
    package.close_folder(root, meta, traced, python)


def _step_of(model: Any) -> Any:
    """The model's step as a function of its own: a bound method would share its traces."""
    return lambda x: model.train_step(x)


if __name__ == "__main__":
    main()
