"""Measures the training steps in PyTorch, eager and compiled."""

import functools
from typing import Any

import numpy as np
import torch

from benchmarks.hlo import stopwatch, torch_device
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.torch_step import Trainer, Weights

WAYS = {"PyTorch eager": False, "torch.compile": True}


def measure(bundle: Bundle) -> list[dict[str, Any]]:
    """A row for each stage and way."""
    x = torch_device.put(np.ascontiguousarray(bundle.examples().transpose(0, 3, 1, 2)))
    return [
        {"setting": bundle.root.name, "stage": stage, "way": way}
        | stopwatch.unless_out_of_memory(functools.partial(_measure, bundle, x, stage, compiled))
        for stage in bundle.meta["stages"]
        for way, compiled in WAYS.items()
    ]


def make_trainer(setting: dict[str, Any], compiled: bool = False) -> Trainer:
    """The players that a setting of `benchmarks.training_step` describes."""
    names = ("beta_rec", "beta_kl", "beta_neg", "responsibility_reg")
    return Trainer(
        setting["shape"],
        setting["latent_dim"],
        setting["widths"],
        setting["num_components"],
        Weights(*(setting["weights"][name] for name in names)),
        torch_device.current(),
        compiled=compiled,
    )


def _measure(bundle: Bundle, x: torch.Tensor, stage: str, compiled: bool) -> dict[str, Any]:
    trainer = make_trainer(bundle.meta["setting"], compiled)
    step = trainer.vae_step if stage == "vae" else trainer.introspective_step
    times, mib = torch_device.time_calls(lambda: step(x))
    return {**times, "MiB": mib}
