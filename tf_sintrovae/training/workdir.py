"""The folder of a run: what lies where, written atomically, used by one process at a time."""

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from tf_sintrovae.config import Config, read_config
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import (
    full_disk_errors,
    recover_folder,
    remove_leftovers,
    user_path,
    write_atomically,
)
from tf_sintrovae.reporting import file_names
from tf_sintrovae.training import history

_log = logging.getLogger(__name__)

# Settings that a run may change when it continues: they do not alter what was trained so far.
CHANGEABLE = {
    "workdir",
    "data_dir",
    "max_data_gib",
    "epochs",
    "strategy",
    "precision",
    "join_seconds",
    "jit_compile",
    "steps_per_execution",
    "deterministic",
    "refresh_batch_norm",
    "evaluate",
    "metrics",
    "export",
    "validation",
    "best_metric",
    "eval_epochs",
    "eval_images",
    "early_stop_epochs",
    "checkpoint_seconds",
    "on_nonfinite",
    "max_rollbacks",
    "profile_steps",
    "overwrite",
}
# Settings that it may change for its rest, once it has diverged: they neither alter what there is to train
# nor what the weights mean.
TUNABLE = {
    "clip_variance",
    "responsibility_reg",
    "beta_rec",
    "beta_kl",
    "beta_neg",
    "alpha",
    "gamma",
    "gamma_r",
    "num_mc_samples",
    "learning_rate",
    "prior_learning_rate",
    "lr_milestones",
    "clip_norm",
}


@dataclasses.dataclass(frozen=True)
class Workdir:
    """Paths inside the folder of a run.

    Attributes:
        root: the folder.
        changes: `{name: (value before, value now)}` of the `TUNABLE` settings that hold from now on.
    """

    root: pathlib.Path
    changes: dict[str, tuple[Any, Any]] = dataclasses.field(default_factory=dict)

    @property
    def checkpoints(self) -> pathlib.Path:
        """Checkpoints of model and optimizers."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> pathlib.Path:
        """What TensorBoard shows of the training; its subfolders are runs of their own."""
        return self.root / "tensorboard"

    @property
    def tensorboard_results(self) -> pathlib.Path:
        """What TensorBoard shows of settings, final metrics and figures."""
        return self.tensorboard / "results"

    @property
    def profile(self) -> pathlib.Path:
        """What TensorBoard shows of `profile_steps`."""
        return self.tensorboard / "profile"

    @property
    def figures(self) -> pathlib.Path:
        """Drawings of the trained model and its losses."""
        return self.root / "figures"

    @property
    def history(self) -> pathlib.Path:
        """Losses, a JSON object an epoch, and events (`tf_sintrovae.training.history`)."""
        return self.root / "history.jsonl"

    @property
    def data(self) -> pathlib.Path:
        """The fingerprint of the training data."""
        return self.root / "data.json"

    @property
    def results(self) -> pathlib.Path:
        """Metrics of the trained model."""
        return self.root / "results.json"

    @property
    def report(self) -> pathlib.Path:
        """What the run was and came to, on one page."""
        return self.root / file_names.REPORT

    @property
    def saved_model(self) -> pathlib.Path:
        """The export."""
        return self.root / "saved_model"

    @property
    def best(self) -> pathlib.Path:
        """The checkpoint with the least `best_metric`."""
        return self.root / "best"

    @property
    def saved_model_best(self) -> pathlib.Path:
        """The export of that checkpoint."""
        return self.root / "saved_model_best"

    @property
    def results_best(self) -> pathlib.Path:
        """Metrics of that checkpoint."""
        return self.root / "results_best.json"

    @property
    def is_trained(self) -> bool:
        """Whether there is a checkpoint; before it, nothing was trained that could be mixed up."""
        return any(self.checkpoints.glob("*.index"))

    def keep_settings(self, config: Config) -> None:
        """Writes `config.json`, and `flags.txt`, which continues the run."""
        kept = dataclasses.replace(config, overwrite=False)
        write_atomically(self.root / "config.json", kept.to_json())
        write_atomically(self.root / "flags.txt", kept.to_flagfile())

    def adopt_changes(self, config: Config, step: int) -> None:
        """Records the settings in `changes`, which hold from `step` on; does nothing without any."""
        if self.changes:
            changed = {name: list(values) for name, values in self.changes.items()}
            history.append(self.history, {"event": "settings", "step": step, "changed": changed})
            self.keep_settings(config)

    def note_replicas(self, count: int, step: int) -> None:
        """Records over how many replicas the run goes on from `step`, where that is new, and says so.

        Sums over other numbers of parts differ in their last digits.
        """
        rows = [row for row in history.read_events(self.history) if row["event"] == "replicas"]
        before = rows[-1]["count"] if rows else 1
        if count != before:
            history.append(self.history, {"event": "replicas", "step": step, "count": count})
        if step and count != before:
            _log.warning(
                "trained over %d replicas up to step %d, over %d from now on: the result will not be "
                "bit-identical to that of a run over the same number throughout",
                *(before, step, count),
            )

    def check_data(self, fingerprint: dict[str, Any]) -> None:
        """Keeps the fingerprint of the training data with the run, or compares it with the one kept.

        Args:
            fingerprint: what `Source.fingerprint` of the training data gives.

        Raises:
            UserError: the run was trained on other data, or its fingerprint cannot be read.
        """
        before = _read_fingerprint(self.data) if self.is_trained else None
        if before is None:
            write_atomically(self.data, json.dumps(fingerprint, indent=2) + "\n")
            return
        names = [name for name in fingerprint if fingerprint[name] != before.get(name)]
        if names:
            text = ", ".join(
                _difference(name, before.get(name), fingerprint[name]) for name in names
            )
            raise UserError(
                f"the training data are not those that the run in {self.root} began with: {text}; give "
                "it its data again, another --workdir, or --overwrite to start afresh"
            )


@contextlib.contextmanager
def open_workdir(config: Config) -> Iterator[Workdir]:
    """Makes or continues the folder of a run, and keeps other processes out of it meanwhile.

    Args:
        config: settings of the run, the folder among them; they must be those of the run already there, but
            for `CHANGEABLE` and, once it has diverged, `TUNABLE`.

    Yields:
        The folder, with `config.json` and `flags.txt` written, unless there are `changes`: then they are
        left to `adopt_changes`, once it is known from which step on they hold.

    Raises:
        UserError: a folder that cannot be written, is in use, or holds a run with other settings.
    """
    workdir = Workdir(user_path(str(config.workdir)))
    with _user_errors(workdir.root), _lock(workdir.root), full_disk_errors(workdir.root):
        _tidy(workdir)
        if config.overwrite:
            _clear(workdir)
        if workdir.is_trained:
            changes = _changes(config, read_config(workdir.root), workdir.history)
            workdir = dataclasses.replace(workdir, changes=changes)
        if not workdir.changes:
            workdir.keep_settings(config)
        for folder in (workdir.checkpoints, workdir.tensorboard, workdir.figures):
            folder.mkdir(exist_ok=True)
        yield workdir


@contextlib.contextmanager
def _user_errors(root: pathlib.Path) -> Iterator[None]:
    """Turns a folder that cannot be made or written into a UserError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"workdir {root} cannot be written ({error.strerror}): give another with --workdir"
        ) from error
    yield


@contextlib.contextmanager
def _lock(root: pathlib.Path) -> Iterator[None]:
    """Holds the folder's lock; the operating system drops it when the process ends, however it ends."""
    with open(root / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"workdir {root} is in use by another process: wait for it, or give another --workdir"
            ) from error
        yield


def _tidy(workdir: Workdir) -> None:
    """Repairs and removes what a killed process may have left half done."""
    for export in (workdir.saved_model, workdir.saved_model_best):
        recover_folder(export)
    for folder in (
        *(workdir.root, workdir.figures, workdir.root / file_names.SNAPSHOTS),
        *(workdir.tensorboard, workdir.tensorboard_results),
    ):
        remove_leftovers(folder)


def _clear(workdir: Workdir) -> None:
    """Removes what a run writes, and nothing else that may lie in the folder."""
    for folder in (
        *(workdir.checkpoints, workdir.tensorboard, workdir.figures),
        *(workdir.saved_model, workdir.best, workdir.saved_model_best),
        workdir.root / file_names.SNAPSHOTS,
    ):
        shutil.rmtree(folder, ignore_errors=True)
    for name in (
        "config.json",
        "flags.txt",
        workdir.data.name,
        workdir.history.name,
        workdir.results.name,
        workdir.results_best.name,
        workdir.report.name,
        file_names.RECORD,
        file_names.COMPONENTS,
    ):
        (workdir.root / name).unlink(missing_ok=True)


def _changes(config: Config, before: Config | None, events: pathlib.Path) -> dict[str, tuple]:
    """`{name: (before, now)}` of the `TUNABLE` settings that are new.

    Raises:
        UserError: others are new as well, or the run has never diverged.
    """
    if before is None:
        return {}
    old, new = dataclasses.asdict(before), dataclasses.asdict(config)
    changed = [name for name in new if new[name] != old[name] and name not in CHANGEABLE]
    diverged = any(row["event"] == "diverged" for row in history.read_events(events))
    refused = [name for name in changed if not (diverged and name in TUNABLE)]
    if refused:
        text = ", ".join(f"{name}={new[name]} (was {old[name]})" for name in refused)
        raise UserError(
            f"workdir {config.workdir} holds a run with other settings: {text}; give another "
            "--workdir, the same settings to continue it, or --overwrite to start afresh"
        )
    return {name: (old[name], new[name]) for name in changed}


def _read_fingerprint(path: pathlib.Path) -> dict[str, Any] | None:
    """What `check_data` has kept; None where nothing was."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:  # a run of before there were fingerprints
        return None
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read: restore it, remove it to take the data as they are, or start afresh "
            "with --overwrite"
        ) from error


def _difference(name: str, before: Any, now: Any) -> str:
    """What has changed, in words; a hash tells only that something has."""
    if name == "content":
        return "their content has changed"
    return f"{name} {_plain(before)} -> {_plain(now)}"


def _plain(value: Any) -> str:
    """A count or a shape, in words."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    return "endless" if value is None else str(value)
