"""The checkpoint with the least value of a metric, kept beside the last one."""

import contextlib
import json
import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_sintrovae import terminal
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import full_disk_errors, write_atomically
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training.callbacks import Logs
from tf_sintrovae.training.run_state import RunState

_log = logging.getLogger(__name__)


class Best(NamedTuple):
    """What `best.json` holds.

    Attributes:
        metric: name of the metric.
        value: its value on the samples of a look; a full evaluation takes more of them.
        step: step of the model.
        epoch: number of epochs trained by then.
        handed_over: whether a free mixture was in force.
    """

    metric: str
    value: float
    step: int
    epoch: int
    handed_over: bool


class BestCheckpoint:
    """Networks and prior as they were measured: averaged weights, batch-norm statistics re-estimated.

    Args:
        model: model of the run.
        folder: folder of the checkpoint and of `best.json`, which names it.
    """

    def __init__(self, model: SoftIntroVAE, folder: pathlib.Path):
        self._model = model
        self._folder = folder
        self._checkpoint = tf.train.Checkpoint(
            encoder=model.encoder, decoder=model.decoder, prior=model.prior
        )

    def read(self, metric: str) -> Best | None:
        """Reads which is the best so far by `metric`; None without any.

        Raises:
            UserError: `best.json` is damaged.
        """
        path = self._folder / "best.json"
        if not path.exists():
            return None
        try:
            best = Best(**json.loads(path.read_text()))
            if not (isinstance(best.value, float) and isinstance(best.step, int)):
                raise ValueError("not what training writes")
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({error}): remove {self._folder} to look for the best anew"
            ) from error
        return best if best.metric == metric else None

    def save(self, best: Best) -> None:
        """Keeps the model as it is; the one before stays until this one is complete.

        Raises:
            UserError: the disk is full.
        """
        with full_disk_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            self._checkpoint.write(self._path(best))
            write_atomically(
                self._folder / "best.json", json.dumps(best._asdict(), indent=2) + "\n"
            )
        for path in self._folder.glob("ckpt-*"):
            if not path.name.startswith(f"ckpt-{best.step}."):
                path.unlink()

    @contextlib.contextmanager
    def restored(self, best: Best) -> Iterator[None]:
        """Puts the best into the model for as long as the context lasts.

        Raises:
            UserError: its files cannot be read.
        """
        prior = self._model.prior
        before = prior.handed_over
        with kept_variables(self._model):
            try:
                self._checkpoint.read(self._path(best)).assert_existing_objects_matched()
            except (tf.errors.OpError, AssertionError, ValueError) as error:
                reason = next(iter(str(error).splitlines()), type(error).__name__)
                raise UserError(
                    f"the best checkpoint {self._path(best)} cannot be read ({reason}): remove "
                    f"{self._folder} to go on without it"
                ) from error
            prior.resume(best.handed_over)
            try:
                yield
            finally:
                prior.resume(before)

    def _path(self, best: Best) -> str:
        return str(self._folder / f"ckpt-{best.step}")


@contextlib.contextmanager
def kept_variables(model: SoftIntroVAE) -> Iterator[None]:
    """Gives all variables of the networks and the prior their values back at the end."""
    values = [(v, v.numpy()) for v in (*model.encoder.variables, *model.decoder.variables)]
    values += [(v, v.numpy()) for v in model.prior.variables]
    try:
        yield
    finally:
        for variable, value in values:
            variable.assign(value)


class KeepBest(keras.callbacks.Callback):
    """Measures the model now and then, keeps the best one, and ends a run that gets no better.

    Args:
        checkpoint: place of the best.
        metric: name of the metric; less is better.
        measure: function that gives the metric's value for the model as it is.
        prepare: function that makes of the model in training what is exported at the end.
        state: state of the run.
        every: number of epochs between looks.
        patience: number of introspective epochs without an improvement after which training ends; None never
            ends it.
    """

    def __init__(
        self,
        checkpoint: BestCheckpoint,
        metric: str,
        measure: Callable[[], float],
        prepare: Callable[[], Any],
        state: RunState,
        every: int,
        patience: int | None,
    ):
        super().__init__()
        self._checkpoint, self._metric = checkpoint, metric
        self._measure, self._prepare = measure, prepare
        self._state, self._every, self._patience = state, every, patience

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Looks if it is time; the value joins the epoch's means."""
        done = epoch + 1
        if done % self._every == 0:
            value = self._look(done)
            if isinstance(logs, dict):
                logs[self._metric] = value
        if self.is_over(done):
            self.model.stop_training = True

    def is_over(self, epochs: int) -> bool:
        """Whether the best lies too far back for more epochs than `epochs`."""
        best = self._checkpoint.read(self._metric)
        begun = int(self._state.introspection_step.numpy())
        if self._patience is None or best is None or begun < 0:
            return False
        first = begun // max(1, int(self._state.steps_per_epoch.numpy()))
        over = epochs - max(best.epoch, first) >= self._patience
        if over:
            _log.warning(
                "%s has not improved on %.4g for %d epochs (early_stop_epochs=%d): training ends at epoch %d",
                *(
                    self._metric,
                    best.value,
                    epochs - max(best.epoch, first),
                    self._patience,
                    epochs,
                ),
            )
        return over

    def _look(self, epoch: int) -> float:
        """Measures the model as it would be exported now, and keeps it if it is the best."""
        best = self._checkpoint.read(self._metric)
        with kept_variables(self.model):
            self._prepare()
            value = self._measure()
            if best is None or value < best.value:
                best = Best(
                    self._metric,
                    value,
                    int(self.model.step.numpy()),
                    epoch,
                    self.model.prior.handed_over,
                )
                self._checkpoint.save(best)
        terminal.say(
            f"epoch {epoch}: {self._metric} {value:.4g}, least {best.value:.4g} at epoch {best.epoch}"
        )
        return value
