"""The players' steps: tapes, loss scaling, gradients through the prior, optimizers.

The prior's tape records how its parameters (a mixture's, or an encoder pass for the VampPrior) come about,
the other players' tape what follows from them. The gradient at the parameters joins the two, so that nothing
is computed twice although each player has a tape of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_sintrovae.priors import MixtureParameters, Prior

Gradients = Sequence[tf.Tensor | None]


class Player(NamedTuple):
    """A network and the optimizer that steps it.

    Attributes:
        network: encoder or decoder.
        optimizer: optimizer of its trainable variables.
    """

    network: keras.Model
    optimizer: keras.optimizers.Optimizer


class Update(NamedTuple):
    """What one optimizer does with the gradients of a loss.

    Attributes:
        optimizer: optimizer that applies the gradients.
        gradients: a gradient, or None, for each variable.
        variables: variables that are stepped.
    """

    optimizer: keras.optimizers.Optimizer
    gradients: Gradients
    variables: Sequence[keras.Variable]


def update_players(
    compute_loss: Callable[[MixtureParameters], tuple[tf.Tensor, Any]],
    players: Sequence[Player],
    prior: Prior,
    encoder: keras.Model,
    prior_optimizer: keras.optimizers.Optimizer | None = None,
) -> Any:
    """Steps players on one loss, all others frozen.

    Args:
        compute_loss: function of the prior's parameters that returns the scalar loss, and anything else.
        players: networks that step; the first one's optimizer scales the loss.
        prior: prior of the model.
        encoder: encoder of which a VampPrior is made; also a player if it is to step.
        prior_optimizer: optimizer of the prior, if it steps as well; None keeps it frozen.

    Returns:
        What `compute_loss` returned beside the loss.
    """
    with tf.GradientTape() as prior_tape:
        parameters = prior.parameters(encoder, training=True)
    if prior_optimizer is None:
        parameters = parameters.stop_gradient()
    scaling = players[0].optimizer
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        loss, outputs = compute_loss(parameters)
        scaled = _share(scaling.scale_loss(loss))
    variables = [player.network.trainable_variables for player in players]
    if prior_optimizer is None:
        gradients, prior_updates = tape.gradient(scaled, variables), []
    else:
        gradients, grad_parameters = tape.gradient(scaled, (variables, parameters))
        grad_prior, grad_encoder = prior_tape.gradient(
            parameters,
            (prior.active_variables, encoder.trainable_variables),
            output_gradients=grad_parameters,
        )
        prior_updates = [Update(prior_optimizer, grad_prior, prior.active_variables)]
        gradients = [
            _add(own, grad_encoder) if player.network is encoder else own
            for player, own in zip(players, gradients, strict=True)
        ]
    optimizers = [player.optimizer for player in players]
    apply_updates(scaling, [*map(Update, optimizers, gradients, variables), *prior_updates])
    return outputs


def apply_updates(scaling: keras.optimizers.Optimizer, updates: Sequence[Update]) -> None:
    """Steps optimizers on the gradients of one loss.

    No variable changes before all the gradients are there: TensorFlow's graph optimiser at times drops the
    edge that keeps an update of the prior behind the encoder's read (tests/test_ordering.py).

    Args:
        scaling: optimizer that scaled the loss.
        updates: an update for each player.
    """
    updates = [update for update in updates if update.variables]
    rescaled = [_rescale(update.gradients, scaling, update.optimizer) for update in updates]
    complete = iter(tf.tuple([grad for grads in rescaled for grad in grads]))
    for update in updates:
        update.optimizer.apply([next(complete) for _ in update.gradients], update.variables)


def make_optimizers(*optimizers: Any) -> list[keras.optimizers.Optimizer]:
    """Keras optimizers, one a player, of optimizers or their names.

    Raises:
        ValueError: one optimizer object given for two players.
    """
    made = [keras.optimizers.get(optimizer) for optimizer in optimizers]
    if len(set(map(id, made))) < len(made):
        raise ValueError("each player needs an optimizer of its own: pass three objects")
    return made


def reset_slots(optimizer: keras.optimizers.Optimizer) -> None:
    """Sets an optimizer's moments and its step count to zero; learning rate and loss scale stay."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(tf.zeros_like(variable.value))


def _share(loss: tf.Tensor) -> tf.Tensor:
    """This replica's share of the loss: Keras sums gradients over replicas."""
    return loss / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)


def _rescale(
    gradients: Gradients,
    scaling: keras.optimizers.Optimizer,
    optimizer: keras.optimizers.Optimizer,
) -> Gradients:
    """Gradients of a loss that `scaling` scaled, as if `optimizer` had scaled it."""
    scales = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in (optimizer, scaling)]
    if optimizer is scaling or not any(scales):
        return gradients
    one = tf.ones((), tf.float32)
    ratio = optimizer.scale_loss(one) / scaling.scale_loss(one)
    return [None if g is None else g * tf.cast(ratio, g.dtype) for g in gradients]


def _add(gradients: Gradients, others: Gradients) -> Gradients:
    """Adds two lists of gradients; None stands for zero."""
    return [
        b if a is None else a if b is None else a + b
        for a, b in zip(gradients, others, strict=True)
    ]
