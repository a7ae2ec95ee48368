"""What a model must know of the networks it is given: batch norm, and shapes that fit each other."""

import keras


def has_batch_norm(network: keras.Model) -> bool:
    """Whether a network normalises by the statistics of its batch."""
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


def infer_example_shape(encoder, decoder, prior) -> tuple[int, ...]:
    """The shape of one example, after checking that the three players fit each other."""
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


def _symbolic_call(name, network, spec):
    """What `network` makes of a tensor like `spec`; also builds it, if it is not built yet."""
    try:
        return network(spec)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"the {name} cannot take [batch, {', '.join(map(str, spec.shape[1:]))}]: {error}"
        ) from error
