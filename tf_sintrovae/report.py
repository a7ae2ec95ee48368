"""Results as JSON, with what is needed to repeat them, and as a table."""

import json
import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.evaluation import Outcome
from tf_sintrovae.versions import versions
from tf_sintrovae.workdir import write_atomically


def results(
    outcome: Outcome, source: Source, seed: int, step: int | None, epoch: int | None
) -> dict[str, Any]:
    """The content of `results.json`: the figures, and what is needed to repeat them."""
    return {
        "step": step,
        "epoch": epoch,
        "seed": seed,
        "seeds": outcome.seeds,
        "dataset": source.name,
        "num_train": source.num_train,
        "versions": versions(),
        "counts": outcome.counts,
        "networks": outcome.networks,
        "metrics": outcome.figures,
        "spread": outcome.spread,
    }


def write(content: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes JSON in one step.

    Raises:
        UserError: a path that cannot be written.
    """
    try:
        write_atomically(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): give another") from error


def table(outcome: Outcome) -> str:
    """One line a figure, with the spread over seeds where there is one."""
    width = max(map(len, outcome.figures), default=0)
    lines = []
    for name, value in outcome.figures.items():
        spread = f" +- {outcome.spread[name]:.2g}" if outcome.spread else ""
        lines.append(f"  {name:{width}}  {value:.6g}{spread}")
    return "\n".join(lines)


def progress(start: float) -> Callable[[str], None]:
    """Says on stderr what is measured, and after how many seconds since `start` (monotonic)."""
    return lambda name: print(
        f"[{time.monotonic() - start:4.0f} s] measuring {name} ...", file=sys.stderr, flush=True
    )
