"""What a model must know of the networks it is given: batch norm, and shapes that fit each other."""

import typing
from typing import Any

import keras

if typing.TYPE_CHECKING:
    from tf_sintrovae.priors import Prior


def has_batch_norm(network: keras.Model) -> bool:
    """Whether a network, or one inside it, normalises by the statistics of its batch."""
    return any(
        has_batch_norm(layer)
        if isinstance(layer, keras.Model)
        else isinstance(layer, keras.layers.BatchNormalization)
        for layer in network.layers
    )


def check_joint_batches(encoder: keras.Model, decoder: keras.Model) -> None:
    """Refuses networks in which an example's output depends on the others of its batch.

    Raises:
        ValueError: batch norm in one of them.
    """
    if has_batch_norm(encoder) or has_batch_norm(decoder):
        raise ValueError("joint_batches=True, but there is batch norm: expected networks without")


def infer_example_shape(
    encoder: keras.Model, decoder: keras.Model, prior: "Prior"
) -> tuple[int, ...]:
    """The shape of one example, after checking that the three players fit each other.

    Raises:
        ValueError: a network that cannot take the other's output, or another number of latent dimensions.
    """
    dtype = prior.variable_dtype
    latent_dim = prior.latent_dim
    x = _symbolic_call("decoder", decoder, keras.KerasTensor((None, latent_dim), dtype))
    posterior = _symbolic_call("encoder", encoder, keras.KerasTensor(x.shape, dtype))
    if not isinstance(posterior, (tuple, list)) or len(posterior) != 2:
        raise ValueError("the encoder must return (mean, logvar), each [batch, latent_dim]")
    for name, output in zip(("mean", "logvar"), posterior, strict=True):
        if tuple(output.shape[1:]) != (latent_dim,):
            raise ValueError(
                f"the encoder's {name} has shape {tuple(output.shape)}: expected "
                f"[batch, {latent_dim}], the prior's latent_dim"
            )
    return tuple(x.shape[1:])


def _symbolic_call(name: str, network: keras.Model, spec: keras.KerasTensor) -> Any:
    """What `network` makes of a tensor like `spec`; also builds it, if it is not built yet."""
    try:
        return network(spec)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"the {name} cannot take [batch, {', '.join(map(str, spec.shape[1:]))}]: {error}"
        ) from error
