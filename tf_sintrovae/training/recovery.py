"""After a divergence: it is recorded, and the run stops, or goes back to its last checkpoint."""

import logging
from collections.abc import Callable

from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import history
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.divergence import DivergenceError
from tf_sintrovae.training.workdir import Workdir

_log = logging.getLogger(__name__)


def recover(
    error: DivergenceError,
    config: Config,
    workdir: Workdir,
    checkpoints: Checkpoints,
    restore: Callable[[], int],
) -> int:
    """Records a divergence and, with `on_nonfinite=rollback`, restores the last checkpoint, rates halved.

    Args:
        error: divergence that ended training.
        config: settings of the run, `on_nonfinite` and `max_rollbacks` among them.
        workdir: folder of the run, which takes the record.
        checkpoints: checkpoints of the run; every one of them is finite.
        restore: function that puts the run where its newest checkpoint is, and returns the step.

    Returns:
        The step from which to go on.

    Raises:
        UserError: the run stops here.
    """
    history.append(workdir.history, {"event": "diverged", "step": error.step, "terms": error.terms})
    done = int(checkpoints.state.rollbacks.numpy())
    newest = checkpoints.newest_step()
    if config.on_nonfinite == "stop" or newest is None or done >= config.max_rollbacks:
        raise UserError(f"{error}; {_advice(config, newest, done)}") from error
    step, state = restore(), checkpoints.state
    state.rollbacks.assign(done + 1)
    row = {"event": "rollback", "step": error.step, "to": step, "rate_factor": state.rate_factor}
    history.append(workdir.history, row)
    _log.warning(
        "%s; back to the checkpoint of step %d, with all rates halved (rollback %d of %d)",
        *(error, step, done + 1, config.max_rollbacks),
    )
    return step


def _advice(config: Config, newest: int | None, rollbacks: int) -> str:
    """What is left of the run, and what to do."""
    settings = "a lower --learning_rate or --beta_neg, or check the data"
    if newest is None:
        return f"there is no checkpoint yet: start again with {settings}"
    kept = f"the last good checkpoint (step {newest}) is kept: continue with {settings}"
    if config.on_nonfinite == "stop":
        return f"{kept}, or give --on_nonfinite=rollback"
    return f"{rollbacks} rollbacks did not help, --max_rollbacks={config.max_rollbacks}; {kept}"
