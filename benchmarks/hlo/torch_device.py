"""The device that PyTorch runs on, and time and memory of calls there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.hlo import stopwatch

# Networks may use TF32, as TensorFlow and XLA do by default.
torch.set_float32_matmul_precision("high")


def current() -> torch.device:
    """The first GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def name() -> str:
    """The name of the device."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def put(value: np.ndarray) -> torch.Tensor:
    """Moves an array to the device."""
    return torch.from_numpy(value).to(current())


def time_calls(call: Callable[[], Any]) -> tuple[dict[str, float], float | None]:
    """Times as `stopwatch.time_calls` gives them, and the most memory held in MiB; None on a CPU."""
    if not torch.cuda.is_available():
        return stopwatch.time_calls(call, lambda _: None), None
    call()  # compilation may need more
    torch.cuda.reset_peak_memory_stats()
    times = stopwatch.time_calls(call, lambda _: torch.cuda.synchronize())
    return times, torch.cuda.max_memory_allocated() / 2**20
