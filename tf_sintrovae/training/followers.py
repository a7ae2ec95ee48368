"""Workers that are not the chief: they take over what it has restored."""

from collections.abc import Callable

from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.workers import Workers


def follow_chief(
    workers: Workers, model: SoftIntroVAE, checkpoints: Checkpoints, act: Callable[[], int]
) -> int:
    """Lets the chief put the run somewhere, and has the others take its variables, stage and prior.

    They need no disk that they share with it.

    Args:
        workers: workers of the run.
        model: model of the run.
        checkpoints: checkpoints of the run.
        act: function that changes model and state, called on the chief alone; returns the step.

    Returns:
        The step at which all are now.

    Raises:
        UserError: it failed on the chief, told on all workers.
    """
    with workers.together():
        if workers.is_chief:
            act()
    if workers.several:
        checkpoints.state.take(model)
        workers.copy_from_chief(checkpoints.variables)
        checkpoints.state.give(model)
    return int(model.step.numpy())
