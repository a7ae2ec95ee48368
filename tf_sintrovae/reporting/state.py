"""How a run stands: running, finished, stopped, diverged."""

import fcntl
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_sintrovae.reporting.history_reader import HistoryReader


class State(NamedTuple):
    """How a run stands.

    Attributes:
        name: `running`, `finished`, `incomplete`, `stopped`, `diverged` or `failed`.
        sentence: what that means, and what to do.
    """

    name: str
    sentence: str


_SENTENCES = {
    "running": "It goes on; this page is written anew as it does, and a browser loads it again each minute.",
    "finished": "All that was asked for is done.",
    "incomplete": "It is trained and exported, but some metrics or figures failed.",
    "stopped": "It was stopped; the same command continues it.",
    "failed": "It ended with an error; mend that, then the same command continues it.",
}


def find_state(
    root: pathlib.Path,
    record: Mapping[str, Any],
    history: HistoryReader,
    results: Mapping[str, Any],
    epochs: int,
) -> State:
    """Tells how a run stands, from what it noted itself and from what it left.

    Args:
        root: folder of the run.
        record: content of `run.json`; empty for runs that have none.
        history: history of the run.
        results: content of `results.json`; empty where there is none.
        epochs: number of epochs that the settings ask for.
    """
    noted = str(record.get("state", "unknown"))
    reason = str(record.get("reason") or "")
    if noted in ("running", "unknown") and is_in_use(root):
        return State("running", _SENTENCES["running"])
    if history.events and _is_the_end(history.events[-1], history):
        event = history.events[-1]
        terms = event.get("terms")
        named = ", ".join(map(str, terms)) if isinstance(terms, list) else "losses"
        return State(
            "diverged",
            f"Training diverged at step {event.get('step')}: {named} not finite. {_last_good(history)}",
        )
    if noted == "running":
        return State("stopped", "Its process ended without a word; the same command continues it.")
    if noted in _SENTENCES:
        return State(noted, f"{_SENTENCES[noted]} {reason}".strip())
    return _state_of_files(history, results, epochs)


def is_in_use(root: pathlib.Path) -> bool:
    """Whether a process holds the lock of the folder; False where that cannot be told, as in a copy."""
    try:
        with open(root / ".lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _state_of_files(history: HistoryReader, results: Mapping[str, Any], epochs: int) -> State:
    """For runs that noted nothing themselves."""
    if history.last.get("epoch", 0) >= epochs or (results and not results.get("partial")):
        return State("finished", _SENTENCES["finished"])
    return State("stopped", _SENTENCES["stopped"])


def _is_the_end(event: Mapping[str, Any], history: HistoryReader) -> bool:
    """Whether an event is a divergence after which nothing came."""
    return event.get("event") == "diverged" and event["epoch"] == history.last.get("epoch", 0)


def _last_good(history: HistoryReader) -> str:
    epoch = history.last.get("epoch", 0)
    if not epoch:
        return "No epoch was complete before."
    return (
        f"The last complete epoch is {epoch}; what a checkpoint kept goes on with other rates or weights "
        "(docs/reliability.md)."
    )
