"""What a sweep says while it runs: counts, time left, throughput."""

import datetime
import time

_LIVE_SECONDS = 60.0  # between lines about what runs


class Progress:
    """Counts the jobs of a process and prints a line for each that ends.

    Args:
        total: number of jobs of this process.
        done: number of those that were finished before.
        num_slots: number of jobs side by side.
    """

    def __init__(self, total: int, done: int, num_slots: int):
        self._total, self._done, self._num_slots = total, done, num_slots
        self._failed = 0
        self._waits = False
        self._seconds: list[float] = []  # of the jobs that this process has finished
        self._start = self._last_live = time.monotonic()

    def begin(self, name: str) -> None:
        """Says that a job is begun."""
        self._say(f"{name}: begun")

    def finish(self, name: str, seconds: float) -> None:
        """Counts a finished job, and says how long the rest may take."""
        self._done += 1
        self._seconds.append(seconds)
        self._say(f"{name}: finished in {_duration(seconds)}; {self._time_left()}")

    def fail(self, name: str, reason: str) -> None:
        """Counts a failed job."""
        self._failed += 1
        self._say(f"{name}: FAILED: {reason}")

    def skip(self, name: str, reason: str) -> None:
        """Counts a job that another process has ended."""
        self._done += 1
        self._say(f"{name}: {reason}")

    def wait(self, count: int) -> None:
        """Says once that only jobs of other processes are left."""
        if not self._waits:
            self._waits = True
            self._say(f"{count} runs are left, all of other processes: waiting for them to end")

    def live(self, last_lines: dict[str, str]) -> None:
        """Says now and then what the running jobs say."""
        if time.monotonic() - self._last_live < _LIVE_SECONDS:
            return
        self._last_live = time.monotonic()
        for name, line in last_lines.items():
            self._say(f"{name}: {line or 'running'}")

    def throughput(self) -> str:
        """Says how many jobs were finished in which time."""
        count, elapsed = len(self._seconds), time.monotonic() - self._start
        rate = f", {3600 * count / elapsed:.3g} runs/h" if count else ""
        return f"{count} runs in {_duration(elapsed)} with jobs={self._num_slots}{rate}"

    def _time_left(self) -> str:
        """Estimated from the mean time of the jobs finished so far."""
        rest = self._total - self._done - self._failed
        seconds = sum(self._seconds) / len(self._seconds) * rest / self._num_slots
        return f"about {_duration(seconds)} left"

    def _say(self, text: str) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        print(f"[{self._done}/{self._total}{failed}] {text}", flush=True)


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
