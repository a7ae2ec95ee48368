"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

import logging
import pathlib
import time

import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE

_log = logging.getLogger(__name__)

# What TensorFlow raises for files that are cut off, altered, missing, or of another model.
_UNREADABLE = (tf.errors.OpError, AssertionError, ValueError, IndexError)


class Checkpoints:
    """Saves and restores the players, their optimizers and the step.

    Args:
        model: compiled model; its structure is the same in every stage.
        folder: where the checkpoints lie; the last three are kept.
    """

    def __init__(self, model: SoftIntroVAE, folder: pathlib.Path):
        self._model = model
        checkpoint = tf.train.Checkpoint(
            encoder=model.encoder,
            decoder=model.decoder,
            prior=model.prior,
            encoder_optimizer=model.encoder_optimizer,
            decoder_optimizer=model.decoder_optimizer,
            prior_optimizer=model.prior_optimizer,
            step=model.step.value,
        )
        self._manager = _manager(checkpoint, folder)
        self.saved_at = time.monotonic()

    def save(self) -> str:
        """Writes a checkpoint; the previous one stays valid until this one is complete."""
        path = self._manager.save(checkpoint_number=int(self._model.step.numpy()))
        self.saved_at = time.monotonic()
        return path

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read, and returns its step (0 without any).

        Raises:
            UserError: there are checkpoints, but none that fits or can be read.
        """
        paths = self._newest_first()
        for path in paths:
            try:
                self._manager.checkpoint.restore(path).assert_consumed()
                return int(self._model.step.numpy())
            except _UNREADABLE as error:
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                _log.warning("checkpoint %s cannot be read: %s", path, reason)
        if paths:
            raise UserError(
                f"none of the checkpoints in {self._manager.directory} can be read: restore them from "
                "a copy, or start afresh with --overwrite"
            )
        return 0

    def _newest_first(self) -> list[str]:
        """Paths of all checkpoints, by the files that lie there: the manager's own list may be behind."""
        folder = pathlib.Path(self._manager.directory)
        steps = sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))
        return [str(folder / f"ckpt-{step}") for step in reversed(steps)]


def _manager(checkpoint: tf.train.Checkpoint, folder: pathlib.Path) -> tf.train.CheckpointManager:
    try:
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=3)
    except ValueError:  # its list is empty, as a power failure may leave it; the files tell as much
        (folder / "checkpoint").unlink()
        return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=3)
