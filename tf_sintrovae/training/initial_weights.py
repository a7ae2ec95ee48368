"""The start of a run at another run's weights."""

import pathlib

import tensorflow as tf

from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.training.run_state import RunState


def load(model: SoftIntroVAE, workdir: pathlib.Path) -> None:
    """Takes networks and prior from the newest checkpoint of another run, and nothing else of it.

    Optimizers, step and stage begin anew; where the other run's prior had become a free mixture, this one is
    one from the start.

    Args:
        model: model of this run, at its initial weights.
        workdir: folder of the other run.

    Raises:
        UserError: there is no such checkpoint, or its networks or its prior are of other sizes.
    """
    path = tf.train.latest_checkpoint(str(workdir / "checkpoints"))
    if path is None:
        raise UserError(
            f"init_from={workdir}: no checkpoint there; expected the workdir of a run that has trained"
        )
    state = RunState()
    checkpoint = tf.train.Checkpoint(
        encoder=model.encoder, decoder=model.decoder, prior=model.prior, state=state
    )
    try:
        # Its optimizers and step are left on purpose: TensorFlow would warn of each variable.
        checkpoint.restore(path).expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"init_from={workdir}: its networks and prior are not those of these settings ({reason}); give "
            "the same data shape, widths, latent_dim, prior and num_components"
        ) from error
    model.prior.resume(handed_over=bool(state.handed_over.numpy()))
