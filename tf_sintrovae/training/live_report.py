"""The report of a run, written anew while it goes on."""

import contextlib
import logging
import pathlib
import time
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from tf_sintrovae.reporting.history_reader import HistoryReader
from tf_sintrovae.reporting.report_file import write_report
from tf_sintrovae.training import run_record
from tf_sintrovae.training.callbacks import Logs
from tf_sintrovae.training.run_state import RunState

_log = logging.getLogger(__name__)

_FIRST_SECONDS = 20.0  # after the start of the run: short runs need no report but the last
_LEAST_SECONDS = 60.0  # between two reports
_MOST_SHARE = 0.05  # of the time that may go into reports; the first one, which compiles, apart


class Reporter:
    """Writes a run's report now and then; one that cannot be written is told once, and ends nothing.

    Args:
        root: folder of the run.
        clock: function that returns the time in seconds.
        first_seconds: least time before the first report.
    """

    def __init__(
        self,
        root: pathlib.Path,
        clock: Callable[[], float] = time.monotonic,
        first_seconds: float = _FIRST_SECONDS,
    ):
        self._root = root
        self._clock = clock
        self._due = clock() + first_seconds
        self._history = HistoryReader(root / "history.jsonl")
        self._has_failed = False
        self._is_first = True

    def is_due(self) -> bool:
        """Whether enough time has passed since the last report: a minute, or more where it took long."""
        return self._clock() >= self._due

    def write(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Writes the report, whether it is due or not.

        Args:
            prepare: function that is called first, and whose time counts.
        """
        start = self._clock()
        for part in (prepare, lambda: write_report(self._root, self._history)):
            try:
                part()
            except Exception as error:  # whatever it is, the run is worth more
                self._tell(error)
        took = self._clock() - start
        self._due = self._clock() + _LEAST_SECONDS
        if not self._is_first:
            self._due = max(self._due, start + took / _MOST_SHARE)
        self._is_first = False

    def write_if_due(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Writes the report if enough time has passed."""
        if self.is_due():
            self.write(prepare)

    def write_last(self, quietly: bool) -> None:
        """Writes the report of a run that ends; one that has not trained anything has none.

        Args:
            quietly: whether an error is told already, beside which another would only be noise.
        """
        self._has_failed |= quietly
        if (self._root / "history.jsonl").exists():
            self.write()

    def _tell(self, error: Exception) -> None:
        if not self._has_failed:
            reason = " ".join(str(error).split()) or type(error).__name__
            _log.warning("the report cannot be written, the run goes on: %s", reason)
        self._has_failed = True


@contextlib.contextmanager
def reported(root: pathlib.Path) -> Iterator[Reporter]:
    """Records what becomes of a run, and at its end, whatever that is, writes its last report."""
    reporter = Reporter(root)
    try:
        with run_record.recorded(root, _devices()):
            yield reporter
    except BaseException:
        reporter.write_last(quietly=True)
        raise
    reporter.write_last(quietly=False)


class LiveReport(keras.callbacks.Callback):
    """Writes the report in training, with fresh pictures, at the ends of steps.

    Args:
        reporter: writer of the report.
        root: folder of the run.
        take_snapshots: function that draws the model as it is into the folder.
        state: state of the run, for the steps at which it changed.
        batch_size: number of examples in a step.
        total_steps: number of steps of the run.
    """

    def __init__(
        self,
        reporter: Reporter,
        root: pathlib.Path,
        take_snapshots: Callable[[pathlib.Path], None],
        state: RunState,
        batch_size: int,
        total_steps: int,
    ):
        super().__init__()
        self._reporter, self._root = reporter, root
        self._take_snapshots, self._state = take_snapshots, state
        self._batch_size, self._total_steps = batch_size, total_steps
        self._mark: tuple[float, int] | None = None  # time and step of the last report

    def on_train_begin(self, logs: Logs = None) -> None:
        """Starts the clock of a stage."""
        self._mark = (time.monotonic(), int(self.model.step.numpy()))

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Writes if it is time; not what has diverged, which is told when training ends."""
        if self._reporter.is_due() and self.model.divergence is None:
            self._reporter.write(self._prepare)

    def on_train_end(self, logs: Logs = None) -> None:
        """Notes how far the stage came."""
        with contextlib.suppress(OSError):  # a full disk is told by what matters more
            self._note_progress()

    def _prepare(self) -> None:
        self._note_progress()
        self._take_snapshots(self._root)

    def _note_progress(self) -> None:
        now, step = time.monotonic(), int(self.model.step.numpy())
        start, first = self._mark or (now, step)
        rate = self._batch_size * (step - first) / (now - start) if now > start else None
        self._mark = (now, step)
        state = self._state
        run_record.update(
            self._root,
            step=step,
            total_steps=self._total_steps,
            steps_per_epoch=int(state.steps_per_epoch.numpy()),
            hand_over_step=int(state.hand_over_step.numpy()),
            introspection_step=int(state.introspection_step.numpy()),
            examples_per_second=rate,
        )


def _devices() -> list[str]:
    """Names of the GPUs."""
    details = tf.config.experimental.get_device_details
    gpus = tf.config.list_physical_devices("GPU")
    return [str(details(gpu).get("device_name", gpu.name)) for gpu in gpus]
