"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

import contextlib
import logging
import pathlib
import re
import shutil
import time

import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training import divergence
from tf_sintrovae.training.averaging import WeightAverage
from tf_sintrovae.training.divergence import DivergenceError
from tf_sintrovae.training.run_state import RunState

_log = logging.getLogger(__name__)

# What TensorFlow raises for files that are cut off, altered, missing, or of another model.
_UNREADABLE = (tf.errors.OpError, AssertionError, ValueError, IndexError)


class Checkpoints:
    """Saves and restores the players, their optimizers, the step and the state of the run.

    Nothing that is not finite is ever saved.

    Args:
        model: compiled model of the run; its structure is the same in every stage.
        folder: folder of the checkpoints; the last three are kept. None on a worker that is not the chief:
            nothing is written, and saving only looks whether all is finite.
        average: averages of the weights, saved with them; None without any.

    Attributes:
        state: state of the run, saved and restored with the weights.
        saved_at: time at which the newest was written, in seconds of the monotonic clock.
        variables: all variables that are saved, and the model's note of a divergence.
    """

    def __init__(
        self, model: SoftIntroVAE, folder: pathlib.Path | None, average: WeightAverage | None = None
    ):
        self._model = model
        self.state = RunState()
        players = {name: getattr(model, name) for name in ("encoder", "decoder", "prior")}
        optimizers = {f"{name}_optimizer": getattr(model, f"{name}_optimizer") for name in players}
        averages = {} if average is None else {"average": average}
        checkpoint = tf.train.Checkpoint(
            **players, **optimizers, step=model.step.value, state=self.state, **averages
        )
        self._folder = folder
        self._checkpoint = checkpoint
        self._manager = None if folder is None else _manager(checkpoint, folder)
        groups = {f"weights of the {name}": player.variables for name, player in players.items()}
        groups |= {name.replace("_", "'s "): each.variables for name, each in optimizers.items()}
        self.variables = [v for group in groups.values() for v in group]
        self.variables += [model.step, model.diverged, *self.state.variables]
        self.variables += [] if average is None else average.variables
        self._finite = divergence.FiniteCheck(groups, model.prior.limits)
        self._saved_step: int | None = None  # what this process has written or restored last
        self.saved_at = time.monotonic()

    def save(self) -> None:
        """Writes a checkpoint; the previous one stays valid until this one is complete.

        Raises:
            DivergenceError: losses or variables are not finite; nothing was written.
            UserError: the disk is full, or the folder cannot be written.
        """
        self.check_finite()
        step = int(self._model.step.numpy())
        if step != self._saved_step:  # else the end of an epoch and of a stage are one
            self.state.take(self._model)
            self._write(step)
            self._saved_step = step
        self.saved_at = time.monotonic()

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read, and returns its step (0 without any).

        Raises:
            UserError: there are checkpoints, but none that fits or can be read.
        """
        steps = self._newest_first()
        for step in steps:
            if self._try_restore(step):
                return int(self._model.step.numpy())
        if steps:
            raise UserError(
                f"none of the checkpoints in {self._folder} can be read: restore them from "
                "a copy, or start afresh with --overwrite"
            )
        return 0

    def check_finite(self) -> None:
        """Looks at the losses of all steps, and at all variables.

        Raises:
            DivergenceError: something is not finite.
        """
        divergence.check_losses(self._model)
        bad = self._finite.bad_groups()
        if bad:
            raise DivergenceError(int(self._model.step.numpy()), bad)

    def newest_step(self) -> int | None:
        """The step of the newest checkpoint; None without any."""
        return next(iter(self._newest_first()), None)

    def _write(self, step: int) -> None:
        if self._manager is None:
            return
        try:
            self._manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            self._remove_unfinished(step)
            raise UserError(
                f"the checkpoint of step {step} cannot be written ({_reason(error)}): make room in "
                f"{self._folder}, then give the same command; {self._where_it_goes_on()}"
            ) from error

    def _where_it_goes_on(self) -> str:
        step = self.newest_step()
        return "there is none before" if step is None else f"it goes on from step {step}"

    def _remove_unfinished(self, step: int) -> None:
        """Removes what a failed write has left of a checkpoint that is not complete."""
        if self._folder is None:
            return
        for path in self._folder.glob(f"ckpt-{step}[._]*temp*"):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _try_restore(self, step: int) -> bool:
        """Restores the checkpoint of a step; a warning, and False, if that does not work."""
        path = f"{self._folder}/ckpt-{step}"
        try:
            self._checkpoint.restore(path).assert_consumed()
            bad = self._finite.bad_groups()
            if bad:
                raise ValueError(f"{', '.join(bad)} not finite")
        except _UNREADABLE as error:
            _log.warning("checkpoint %s cannot be read: %s", path, _reason(error))
            return False
        self._model.diverged.assign([0, 0])
        self.state.give(self._model)
        self._saved_step = None
        return True

    def _newest_first(self) -> list[int]:
        """Steps of all checkpoints, by the files that lie there: the manager's own list may be behind."""
        paths = [] if self._folder is None else self._folder.glob("ckpt-*.index")
        found = {path: re.fullmatch(r"ckpt-(\d+)", path.stem) for path in paths}
        for path in (path for path, match in found.items() if match is None):
            _log.warning("%s is not a checkpoint of a step: passed over", path)
        return sorted((int(match[1]) for match in found.values() if match), reverse=True)


def _reason(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return next(iter(text.splitlines()), type(error).__name__)


def _manager(checkpoint: tf.train.Checkpoint, folder: pathlib.Path) -> tf.train.CheckpointManager:
    try:
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=3)
    except ValueError:  # its list is empty, as a power failure may leave it; the files tell as much
        (folder / "checkpoint").unlink()
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=3)
