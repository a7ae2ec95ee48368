"""What TensorFlow makes of the first steps on this CPU: losses, and probes of every variable."""

from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from benchmarks.hlo import probes, variables
from tf_sintrovae.model import SoftIntroVAE


class Recorder:
    """Runs parts of a run, and remembers what came of them.

    Args:
        model: the model of the run at its start.
        named: its variables by name.
        batches: the first batches [B, *shape] of the run.

    Attributes:
        batches: the batches.
        events: `(kind, program)` of all that was run; kinds are 'step', 'change' and 'restart'.
        values: what came of event `i`: a loss at `i/NAME`, the probe of a variable at `i/state/NAME`.
        states: every variable before event `i`, for each step but the first of a stage.
    """

    def __init__(
        self,
        model: SoftIntroVAE,
        named: Mapping[str, keras.Variable],
        batches: Iterable[tf.Tensor],
    ):
        self._model, self._named = model, named
        self._start = variables.values_of(named)
        self.batches = list(batches)
        self.events: list[tuple[str, str]] = []
        self.values: dict[str, np.ndarray] = {}
        self.states: dict[int, dict[str, np.ndarray]] = {}

    def restart(self) -> None:
        """Puts every variable back to the start of the run."""
        variables.assign(self._named, self._start)
        self.events.append(("restart", ""))

    def change(self, name: str | None, function: Callable[[], None]) -> None:
        """Makes a change between stages; `name` is its program, None where no variable changes."""
        function()
        if name is not None:
            self._remember("change", name, {})

    def steps(self, name: str) -> None:
        """Takes a step on each batch, with the means of that batch alone."""
        step = tf.function(self._model.train_step, autograph=False)
        for k, batch in enumerate(self.batches):
            self._model.reset_metrics()
            if k:
                self.states[len(self.events)] = variables.values_of(self._named)
            values = {key: value.numpy() for key, value in step(batch).items()}
            self._remember("step", name, values)

    def _remember(self, kind: str, name: str, values: Mapping[str, np.ndarray]) -> None:
        prefix = f"{len(self.events)}/"
        self.values |= {f"{prefix}{key}": value for key, value in values.items()}
        for key, variable in self._named.items():
            if not key.startswith("metrics/"):
                self.values[f"{prefix}state/{key}"] = probes.probe(variable.numpy())
        self.events.append((kind, name))
