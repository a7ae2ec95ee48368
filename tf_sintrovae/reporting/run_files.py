"""What a report reads from the folder of a run."""

import dataclasses
import json
import pathlib
from typing import Any

from tf_sintrovae.config import Config, read_config
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path
from tf_sintrovae.reporting.file_names import COMPONENTS, FIGURES, SNAPSHOTS
from tf_sintrovae.reporting.history_reader import HistoryReader
from tf_sintrovae.reporting.state import State, find_state
from tf_sintrovae.training import run_record

_LARGEST = 20_000_000  # bytes of a JSON file


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """A run as its files tell it.

    Attributes:
        root: folder of the run.
        settings: settings of the run.
        record: content of `run.json`; this and the following are empty where there is no such file.
        data: content of `data.json`.
        results: content of `results.json`.
        results_best: content of `results_best.json`.
        best: content of `best/best.json`.
        components: content of `components.json`.
        pictures: PNG files by name; those of a model in training where there are such, which are newer.
        history: history of the run.
        state: how it stands.
        unreadable: names of files that are there and cannot be read.
    """

    root: pathlib.Path
    settings: Config
    record: dict[str, Any]
    data: dict[str, Any]
    results: dict[str, Any]
    results_best: dict[str, Any]
    best: dict[str, Any]
    components: dict[str, Any]
    pictures: dict[str, pathlib.Path]
    history: HistoryReader
    state: State
    unreadable: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.root.resolve().name


def read_run(root: pathlib.Path, history: HistoryReader | None = None) -> RunFiles:
    """Reads the folder of a run, whether it goes on, has ended or was copied.

    Args:
        root: folder of the run.
        history: history that has read the beginning already; it is brought up to date.

    Raises:
        UserError: a folder that holds no run, or whose `config.json` is damaged.
    """
    root = user_path(str(root))
    settings = read_config(root)
    if settings is None:
        raise UserError(
            f"{root} is not the folder of a run: expected a config.json in it; give the --workdir of a run"
        )
    history = history or HistoryReader(root / "history.jsonl")
    history.update()
    unreadable: list[str] = []
    names = ("data.json", "results.json", "results_best.json", "best/best.json")
    data, results, results_best, best = (_read_object(root / n, unreadable) for n in names)
    record = run_record.read(root)
    return RunFiles(
        *(root, settings, record, data, results, results_best, best),
        _read_object(root / COMPONENTS, unreadable),
        _pictures(root),
        history,
        find_state(root, record, history, results, settings.epochs),
        tuple(unreadable),
    )


def _pictures(root: pathlib.Path) -> dict[str, pathlib.Path]:
    folders = (root / FIGURES, root / SNAPSHOTS)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("[!.]*.png"))}


def _read_object(path: pathlib.Path, unreadable: list[str]) -> dict[str, Any]:
    """The JSON object in a file; empty without one, which is noted if the file is there."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        unreadable.append(path.name)
        return {}
    return content
