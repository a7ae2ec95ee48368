"""`run.json`: when and where a run was trained, and how it stands; reports read it.

It is for people: nothing that a run does depends on it, and where it cannot be written the run goes on.
Nothing here imports TensorFlow.
"""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import time
from collections.abc import Iterator
from typing import Any

from tf_sintrovae.files import write_atomically
from tf_sintrovae.reporting.file_names import RECORD
from tf_sintrovae.versions import versions

# What the exit codes of `tf_sintrovae.main` say of a run.
_ENDS: dict[Any, str] = {0: "finished", 3: "incomplete", 130: "stopped"}


def read(root: pathlib.Path) -> dict[str, Any]:
    """The content of a run's record; empty where there is none that can be read."""
    try:
        content = json.loads((root / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def begin(root: pathlib.Path, devices: list[str]) -> None:
    """Notes that a process trains the run from now on, and on what.

    Args:
        root: folder of the run.
        devices: names of the GPUs; empty on a machine without.

    Raises:
        OSError: the file cannot be written.
    """
    before, now = read(root), time.time()
    _write(
        root,
        before
        | {
            "state": "running",
            "reason": "",
            "starts": _number(before.get("starts")) + 1,
            "started": before.get("started") or _text(now),
            "begun": now,
            "seconds_before": _number(before.get("seconds")),
            "machine": machine() | {"devices": devices},
            "versions": versions(),
        },
    )


def update(root: pathlib.Path, **values: Any) -> None:
    """Notes values, and the time that the run has taken over all its starts; nothing without a `begin`.

    Raises:
        OSError: the file cannot be written.
    """
    before, now = read(root), time.time()
    if "begun" in before:
        seconds = _number(before.get("seconds_before")) + now - _number(before["begun"])
        _write(root, before | values | {"updated": _text(now), "seconds": round(seconds, 1)})


def machine() -> dict[str, Any]:
    """The processor, the cores that this process may use, the memory and the system."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(gib, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


@contextlib.contextmanager
def recorded(root: pathlib.Path, devices: list[str]) -> Iterator[None]:
    """Notes the beginning, and at the end how the command ended; what is raised passes."""
    _try(begin, root, devices)
    state, reason = "failed", ""
    try:
        yield
        state = "finished"
    except SystemExit as end:
        state = _ENDS.get(end.code or 0, "failed")
        raise
    except KeyboardInterrupt:
        state = "stopped"
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:500] or type(error).__name__
        raise
    finally:
        _try(update, root, state=state, reason=reason)


def _try(function: Any, *arguments: Any, **named: Any) -> None:
    """Calls a function; a disk that takes nothing is told where the run itself finds it out."""
    with contextlib.suppress(OSError):
        function(*arguments, **named)


def _write(root: pathlib.Path, content: dict[str, Any]) -> None:
    write_atomically(root / RECORD, json.dumps(content, indent=2) + "\n")


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        names = (line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
        return next(names, platform.machine())
    return platform.machine()


def _number(value: Any) -> float:
    """A number of the record; 0 for anything else that stands there."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 1e15 else 0


def _text(seconds: float) -> str:
    """A time in UTC, as `2026-01-31T12:00:00+00:00`."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).isoformat()
