"""Exports the training of a flag file as XLA programs that run through JAX, without TensorFlow.

    python -m benchmarks.hlo.export --flagfile=configs/digits.flags --output=FOLDER
    cd FOLDER && python -m benchmarks.hlo.run . check time train

The second line needs JAX and NumPy alone. FOLDER holds the step of each stage, weights, optimizers' slots,
step counter and noise included, the changes between the stages, the training examples, and what TensorFlow
computed on this CPU of the first steps. docs/gpu.md tells more.
"""

import json
import pathlib
import typing

from absl import flags

from tf_sintrovae import command, config
from tf_sintrovae.errors import UserError

if typing.TYPE_CHECKING:  # it imports TensorFlow
    from tf_sintrovae.kernels.platforms import Platform

# Settings that are no part of the programs, with the only values that the runner knows.
NOT_EXPORTED = {
    "ema_decay": None,
    "best_metric": None,
    "init_from": None,
    "on_nonfinite": "stop",
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of this command, beside those of a run.

    Args:
        values: flags to add to.
    """
    flags.DEFINE_string("output", None, "folder to write", required=True, flag_values=values)
    flags.DEFINE_enum(
        "platform", "gpu", ("gpu", "cpu"), "device that the kernels are for", flag_values=values
    )
    flags.DEFINE_integer(
        "check_steps",
        1,
        "steps of each stage that TensorFlow takes for the numbers to expect; all but the first add a state",
        1,
        flag_values=values,
    )
    flags.DEFINE_string(
        "jax_python", None, "a Python that has JAX; this one by default", flag_values=values
    )


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Exports the run that the flags describe.

    Args:
        values: parsed flags.
    """
    settings = config.from_flags(values)
    check_settings(settings)
    command.quieten_tensorflow()
    command.import_tensorflow()
    from benchmarks.hlo import package

    python = values.jax_python or package.default_python()
    package.require_jax(python)
    export(settings, pathlib.Path(values.output), values.platform, values.check_steps, python)


def check_settings(settings: config.Config) -> None:
    """Refuses settings that the exported programs do not carry out.

    Raises:
        UserError: there is one.
    """
    for name, value in NOT_EXPORTED.items():
        found = getattr(settings, name)
        if found != value:
            raise UserError(f"{name}={found} is not exported: leave it out")


def export(
    settings: config.Config, root: pathlib.Path, platform: "Platform", check_steps: int, python: str
) -> None:
    """Writes the export of a run.

    Args:
        settings: settings of the run.
        root: folder to write.
        platform: device that the kernels are for, 'gpu' or 'cpu'.
        check_steps: number of steps of each stage that TensorFlow takes.
        python: a Python that has JAX.

    Raises:
        UserError: the data set is an endless stream, or read from disk as it is needed.
    """
    from benchmarks.hlo import arrays, bundle, expected, package, stages, start, variables
    from tf_sintrovae.kernels import platforms

    source, model = start.build(settings)
    package.open_folder(root)
    arrays.write_arrays(root / "data.npz", arrays.pack(source.examples("train").x), compress=True)
    named = variables.named_variables(model)
    initial = variables.values_of(named)
    arrays.write_arrays(root / "state.npz", initial, compress=True)
    batches = source.train_batches(settings.batch_size, settings.seed).take(check_steps)
    recorder = expected.Recorder(model, named, [x for x, _ in batches])
    with platforms.use_platform(platform):
        traced = stages.trace_stages(model, stages.schedule(settings, source), recorder)
    arrays.write_arrays(root / "expected.npz", recorder.values, compress=True)
    for event, state in recorder.states.items():
        arrays.write_arrays(bundle.state_path(root, event), state, compress=True)
    meta = {
        "kind": "run",
        "settings": json.loads(settings.to_json()),
        "platform": platform,
        "variables": list(named),
        "plan": stages.plan(settings, source, model, traced)._asdict(),
        "events": recorder.events,
    }
    package.close_folder(root, meta, traced.programs, python)
    package.copy_code(root)


if __name__ == "__main__":
    config.define_flags()
    define_flags()
    flags.adopt_module_key_flags(config)  # so that --help lists them
    command.run(main)
