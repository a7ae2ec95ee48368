"""Measures the mixture's density and gradients in PyTorch, eager and compiled."""

import functools
from typing import Any

import torch

from benchmarks.hlo import cards, mixtures_torch, stopwatch, torch_device
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.kernel_cases import Reference, Size, problem


def measure(bundle: Bundle, size: Size) -> list[dict[str, Any]]:
    """A row for each way; errors where the reference of `kernels_jax` is there."""
    arguments = [torch_device.put(argument) for argument in problem(size)]
    eager = mixtures_torch.with_gradients(mixtures_torch.log_prob)
    compiled = mixtures_torch.with_gradients(torch.compile(mixtures_torch.log_prob))
    reference = Reference(bundle.root, size)
    return [
        {"size": size.name, "way": way}
        | stopwatch.unless_out_of_memory(functools.partial(_measure, size, f, arguments, reference))
        for way, f in {"PyTorch eager": eager, "torch.compile": compiled}.items()
    ]


def _measure(
    size: Size, function: Any, arguments: list[torch.Tensor], reference: Reference
) -> dict[str, Any]:
    times, mib = torch_device.time_calls(lambda: function(*arguments))
    card = cards.find_card(torch_device.name())
    rate = size.flops / times["in a row ms"] / 1e9
    row = {**times, "MiB": mib, "of float32 peak": card and rate / card.float32}
    if reference.exists():
        row |= reference.errors([value.cpu().numpy() for value in function(*arguments)])
    return row
