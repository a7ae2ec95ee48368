"""The device that JAX runs on: its name, its peaks, and what programs need of it."""

import pathlib
from typing import Any

import jax

from benchmarks.hlo import cards


def name() -> str:
    """The name of the device."""
    return jax.devices()[0].device_kind


def describe() -> str:
    """JAX's version and the device, in one line."""
    return f"JAX {jax.__version__} on {name()}"


def keep_compiled(folder: pathlib.Path) -> None:
    """Has JAX keep compiled programs in a folder, for later processes on such a device."""
    jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))


def program_mib(compiled: Any) -> float | None:
    """Memory that a compiled program needs, with arguments and results, in MiB; None where XLA is silent."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return None
    parts = ("argument", "output", "temp")
    total = sum(getattr(analysis, f"{part}_size_in_bytes") for part in parts)
    return (total - analysis.alias_size_in_bytes) / 2**20


def share_of_peak(flops: float, seconds: float) -> dict[str, float | None]:
    """Operations a second, in 10^12, and their shares of the card's peaks; None for an unknown card."""
    card = cards.find_card(name())
    rate = flops / seconds / 1e12
    return {
        "GFLOP": flops / 1e9,
        "TFLOP/s": rate,
        "of float32 peak": None if card is None else rate / card.float32,
        "of TF32 peak": None if card is None else rate / card.tf32,
    }
