"""The schedule of a run: which steps lie in which stage."""

import itertools
import logging
from collections.abc import Iterator
from typing import NamedTuple

from tf_sintrovae.config import Config
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training.run_state import RunState

_log = logging.getLogger(__name__)


class Schedule(NamedTuple):
    """The steps at which a run changes.

    Attributes:
        hand_over: step before which the VampPrior becomes a free mixture; None where it never does.
        introspection: step before which the introspective stage begins.
        total: number of steps of the run.
    """

    hand_over: int | None
    introspection: int
    total: int

    @classmethod
    def from_config(cls, config: Config, steps_per_epoch: int) -> "Schedule":
        """The schedule that the settings' epochs ask for; a plain VAE keeps its VampPrior to the end."""
        plain = config.vae_epochs >= config.epochs
        hand_over = None if plain else config.hand_over_epoch
        return cls(
            None if hand_over is None else hand_over * steps_per_epoch,
            config.vae_epochs * steps_per_epoch,
            config.epochs * steps_per_epoch,
        )

    def segments(self, step: int) -> Iterator[tuple[int, int]]:
        """The stretches `(start, end)` without a change that lie between `step` and the end."""
        if step >= self.total:  # also when fewer epochs are asked for than were trained
            return
        changes = {change for change in (self.hand_over, self.introspection) if change is not None}
        bounds = sorted({step, self.total} | {c for c in changes if step < c < self.total})
        yield from itertools.pairwise(bounds)

    def enter(self, model: SoftIntroVAE, state: RunState, step: int) -> None:
        """Makes the changes that are due before `step` and not made yet, and notes them in `state`.

        Checkpoints at `step` are from before them.
        """
        if self.hand_over is not None and step >= self.hand_over and not model.prior.handed_over:
            _warn_if_late(step, self.hand_over)
            model.hand_over()
            state.hand_over_step.assign(step)
        if step >= self.introspection and model.stage == "vae":
            model.start_introspection()
            state.introspection_step.assign(step)


def _warn_if_late(step: int, due: int) -> None:
    if step > due:
        _log.warning(
            "the VampPrior becomes a free mixture at step %d, not at step %d: the run was a plain VAE up "
            "to here, and its result is not that of a run with these epochs from the start",
            *(step, due),
        )
