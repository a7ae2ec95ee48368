"""A mixture's log-density and gradients in PyTorch, by its own distributions."""

from collections.abc import Callable

import torch
from torch import distributions


def log_joint(
    z: torch.Tensor, loc: torch.Tensor, logvar: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    """Log of weight times density of each component: [N, K] for z [N, L], loc, logvar [K, L], logits [K]."""
    components = distributions.Normal(loc, torch.exp(0.5 * logvar), validate_args=False)
    density = distributions.Independent(components, 1, validate_args=False).log_prob(z[:, None])
    return density + logits.log_softmax(0)


def log_prob(
    z: torch.Tensor, loc: torch.Tensor, logvar: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    """Log-density [N]."""
    return log_joint(z, loc, logvar, logits).logsumexp(1)


def with_gradients(
    function: Callable[..., torch.Tensor],
) -> Callable[..., tuple[torch.Tensor, ...]]:
    """A function that gives a log-density [N] and the gradients of its sum at every argument."""

    def call(*arguments):
        leaves = [argument.detach().requires_grad_() for argument in arguments]
        density = function(*leaves)
        return density.detach(), *torch.autograd.grad(density.sum(), leaves)

    return call
