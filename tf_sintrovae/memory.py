"""Whether a model can fit into this machine at all, told before it is built.

An allocation that fails is an error with a name; one that succeeds and is too large gets the process killed.
"""

import itertools
import math
import os
from collections.abc import Sequence

from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError

_FLOAT = 4  # bytes
_COPIES = 3  # of each parameter: itself and Adam's two moments


def check_size(config: Config, shape: Sequence[int], widths: Sequence[int]) -> None:
    """Refuses settings that need more than all the memory of this machine.

    Args:
        config: settings of the run.
        shape: shape of one example.
        widths: widths of the networks.

    Raises:
        UserError: the model needs more; the message names the settings that need most.
    """
    needs = least_bytes(config, shape, widths)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    total = sum(needs.values())
    if total > available:
        largest = max(needs, key=needs.__getitem__)
        raise UserError(
            f"the model needs at least {total / 1e9:,.0f} GB of the machine's {available / 1e9:,.0f} GB of "
            f"memory, most of it by {largest}: give less"
        )


def least_bytes(config: Config, shape: Sequence[int], widths: Sequence[int]) -> dict[str, int]:
    """Bytes that training cannot do without, by the settings that ask for them.

    Parameters, their moments and a batch with its posterior samples; activations and gradients come on top.
    """
    size, latent_dim = math.prod(shape), config.latent_dim
    components = 1 if config.prior == "standard_normal" else config.num_components
    network = _dense_weights if len(shape) == 1 else _conv_weights
    weights = 2 * network(shape, latent_dim, widths)
    floats = {
        _name_settings(config, "widths", "latent_dim"): _COPIES * weights,
        _name_settings(config, "num_components"): _COPIES * components * (size + 2 * latent_dim),
        _name_settings(config, "batch_size", "num_mc_samples", "latent_dim"): config.batch_size
        * (size + config.num_mc_samples * latent_dim),
    }
    return {names: _FLOAT * count for names, count in floats.items()}


def _dense_weights(shape: Sequence[int], latent_dim: int, widths: Sequence[int]) -> int:
    """Weights of the decoder, which has no more than the encoder."""
    return sum(a * b for a, b in itertools.pairwise((latent_dim, *widths, *shape)))


def _conv_weights(shape: Sequence[int], latent_dim: int, widths: Sequence[int]) -> int:
    """Kernels of an encoder's blocks and of its dense layer, at least; the decoder's are alike."""
    height, width, _ = shape
    shrink = 2 ** len(widths)
    blocks = sum(9 * (a * b + b * b) for a, b in itertools.pairwise((*widths, widths[-1])))
    return blocks + (height // shrink) * (width // shrink) * widths[-1] * latent_dim


def _name_settings(config: Config, *names: str) -> str:
    values = ((name, getattr(config, name)) for name in names)
    return ", ".join(f"{name}={_text(value)}" for name, value in values if value != ())


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
