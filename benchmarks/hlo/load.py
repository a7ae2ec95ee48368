"""Takes the weights of a training that ran through JAX back into a workdir, measures and exports the model.

    python -m benchmarks.hlo.load --export=FOLDER --workdir=runs/NAME

What lies in the workdir then is what `python -m tf_sintrovae.main` would have left after as many epochs: a
checkpoint with optimizers and step, losses, figures, metrics and the SavedModel. `main` trains it on:

    python -m tf_sintrovae.main --flagfile=runs/NAME/flags.txt --epochs=MORE
"""

import dataclasses
import json
import pathlib
import shutil
import typing
from typing import Any

from absl import flags

from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.errors import ExportError
from benchmarks.hlo.folder import TrainingFolder, step_name
from benchmarks.hlo.plan import Plan
from tf_sintrovae import command, config
from tf_sintrovae.errors import UserError

if typing.TYPE_CHECKING:  # these import TensorFlow
    import numpy as np

    from tf_sintrovae.model import SoftIntroVAE
    from tf_sintrovae.training.run_state import RunState
    from tf_sintrovae.training.workdir import Workdir


def main() -> None:
    """Loads the training that the flags name, and finishes it as `tf_sintrovae.main` does."""
    values = flags.FLAGS
    bundle = Bundle(pathlib.Path(values.export))
    changes = {"workdir": values.workdir, "evaluate": values.evaluate}
    if values.data_dir:
        changes["data_dir"] = values.data_dir
    command.quieten_tensorflow()
    try:
        load(bundle, pathlib.Path(values.run) if values.run else bundle.root / "run", changes)
    except ExportError as error:
        raise UserError(str(error)) from error


def load(bundle: Bundle, run: pathlib.Path, changes: dict[str, Any]) -> None:
    """Makes a workdir of a training, and of that a measured export.

    Args:
        bundle: the export that was trained.
        run: folder of the training.
        changes: settings that differ from those of the export, the workdir among them.

    Raises:
        ExportError: there is no state, or it is of another run.
        UserError: it is not of whole epochs, or the workdir holds a run.
    """
    from tf_sintrovae import main as project
    from tf_sintrovae.training import workdir

    trained = TrainingFolder(run, bundle.settings)
    state = trained.read()
    if state is None:
        raise ExportError(f"{run} holds no state.npz: give the folder of the training with --run")
    settings = config.Config.from_json(json.dumps(bundle.settings | changes))
    settings = dataclasses.replace(settings, epochs=trained_epochs(state, bundle))
    with workdir.open_workdir(settings) as folder:
        if folder.is_trained:
            raise UserError(f"workdir {folder.root} holds a run already: give another --workdir")
        command.import_tensorflow()
        write_checkpoint(settings, bundle, state, folder)
        if trained.history.exists():
            shutil.copy(trained.history, folder.history)
        project.run(settings, folder)


def trained_epochs(state: dict[str, "np.ndarray"], bundle: Bundle) -> int:
    """The whole epochs that a state has come to.

    Raises:
        UserError: there are none.
    """
    step, steps_per_epoch = (
        int(state[step_name(state)]),
        Plan.from_meta(bundle.meta).steps_per_epoch,
    )
    if step < steps_per_epoch:
        raise UserError(f"the state is of step {step}, within the first epoch: train on before")
    return step // steps_per_epoch


def write_checkpoint(
    settings: config.Config, bundle: Bundle, state: dict[str, "np.ndarray"], folder: "Workdir"
) -> None:
    """Builds the model of a run, puts a state into it, and saves that as the run's checkpoint."""
    from benchmarks.hlo import start, variables
    from tf_sintrovae import build
    from tf_sintrovae.training.checkpoints import Checkpoints

    plan = Plan.from_meta(bundle.meta)
    _, model = start.build(settings)
    variables.assign(variables.named_variables(model), state)
    checkpoints = Checkpoints(model, folder.checkpoints)
    _enter_stage(model, checkpoints.state, plan)
    checkpoints.state.steps_per_epoch.assign(plan.steps_per_epoch)
    checkpoints.state.adopt_rates(build.learning_rates(settings))
    checkpoints.save()


def _enter_stage(model: "SoftIntroVAE", state: "RunState", plan: Plan) -> None:
    """Puts a model into the stage that its step lies in; a change at that step is still to come."""
    step = int(model.step.numpy())
    never = plan.total + step
    hand_over = plan.steps.get("vae_handed_over", never)
    introspection = plan.steps.get("introspective", never)
    if step > hand_over:
        model.prior.resume(handed_over=True)
        state.hand_over_step.assign(hand_over)
    if step > introspection:
        model.stage = "introspective"
        state.introspection_step.assign(introspection)


if __name__ == "__main__":
    flags.DEFINE_string("export", None, "folder of the export", required=True)
    flags.DEFINE_string("run", None, "folder of the training; EXPORT/run by default")
    flags.DEFINE_string("workdir", None, "folder of the run to make", required=True)
    flags.DEFINE_string("data_dir", None, "folder of the data set's files; as exported by default")
    flags.DEFINE_bool("evaluate", True, "measure the model")
    command.run(main)
