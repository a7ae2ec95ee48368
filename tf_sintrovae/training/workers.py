"""What the processes of a run over several machines tell each other besides gradients.

Everything here is a collective: each worker comes to it at the same place, and waits for the others there.
In a run of one process it costs nothing. A worker that is lost ends the waiting of the others
(`multi_worker.lost_worker_errors`).
"""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_sintrovae.errors import UserError


class Workers:
    """The processes that train one model together; one of them, the chief, writes.

    Args:
        strategy: strategy of the run.

    Attributes:
        count: number of processes.
        index: index of this one; the chief's is 0.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self.count, self.index = _count_and_index(strategy)

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.count > 1

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that writes."""
        return self.index == 0

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any worker."""
        return bool(self._gather_rows([int(flag)]).any()) if self.several else flag

    def share(self, text: str) -> list[str]:
        """The texts of all workers, in their order."""
        return [bytes(codes).decode() for codes in self._gather(list(text.encode()))]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Lets each worker do something that may fail; a failure of one is an error on all.

        What is done inside must not be a collective: those who failed would not come to it.

        Raises:
            UserError: it failed on another worker, whose error the message tells.
        """
        if not self.several:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        texts = self.share("" if failure is None else str(failure) or type(failure).__name__)
        if failure is not None:
            raise failure
        for index, text in enumerate(texts):
            if text:
                raise UserError(f"worker {index} failed: {text}")

    def require_equal(self, what: str, values: Mapping[str, Any]) -> None:
        """Refuses to go on where the workers do not agree.

        Args:
            what: what the values are, for messages.
            values: this worker's values by name, of what JSON holds.

        Raises:
            UserError: they are not the chief's, on this worker or on another.
        """
        lines = [f"{name}={value}" for name, value in values.items()]
        every = [text.split("\n") for text in self.share("\n".join(lines))]
        differing = [index for index, other in enumerate(every) if other != every[0]]
        if not differing:
            return
        index = self.index if self.index in differing else differing[0]
        pairs = itertools.zip_longest(every[0], every[index], fillvalue="nothing")
        text = ", ".join(f"{a} on worker 0 but {b} on worker {index}" for a, b in pairs if a != b)
        raise UserError(f"the workers' {what} differ: {text}; give all workers the same")

    def copy_from_chief(self, variables: Sequence[Any]) -> None:
        """Gives variables the values that they have on the chief.

        Args:
            variables: TensorFlow or Keras variables, the same on each worker; those of a type go at once.
        """
        if not self.several:
            return
        plain = [v if isinstance(v, tf.Variable) else v.value for v in variables]
        for dtype in dict.fromkeys(variable.dtype for variable in plain):
            self._copy_flat([variable for variable in plain if variable.dtype == dtype])

    def _copy_flat(self, variables: Sequence[tf.Variable]) -> None:
        flat = np.concatenate([variable.numpy().ravel() for variable in variables])
        with self._strategy.scope():
            # TensorFlow gives a new variable the chief's initial value on all workers, to the last bit.
            chiefs = tf.Variable(flat, trainable=False).numpy()
        ends = np.cumsum([np.prod(variable.shape, dtype=int) for variable in variables])
        for variable, values in zip(variables, np.split(chiefs, ends[:-1]), strict=True):
            variable.assign(values.reshape(variable.shape))

    def _gather(self, values: Sequence[int]) -> list[list[int]]:
        """The integers of each worker, under 2^24, of which there may be different numbers."""
        if not self.several:
            return [list(values)]
        sizes = self._gather_rows([len(values)])[:, 0]
        longest = max(1, int(sizes.max()))  # TensorFlow crashes on tables without a number
        rows = self._gather_rows([*values, *[0] * (longest - len(values))])
        return [row[:size].tolist() for row, size in zip(rows, sizes, strict=True)]

    def _gather_rows(self, row: Sequence[int]) -> np.ndarray:
        """The rows of all workers [count, N], each of N integers; the sum of tables with one row filled.

        TensorFlow's own gathering is traced anew at each call, and warns of it.
        """
        table = np.zeros((self.count, len(row)), np.float32)  # what every device can sum
        table[self.index] = row
        total = self._strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(table), axis=None)
        return total.numpy().astype(int)


def _count_and_index(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or not (jobs := resolver.cluster_spec().as_dict()):
        return 1, 0
    chiefs = len(jobs.get("chief", ()))
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return chiefs + len(jobs.get("worker", ())), index
