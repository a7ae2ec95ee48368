"""The folder of a run: what lies where, written atomically, used by one process at a time."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

from tf_sintrovae.config import Config, read_config
from tf_sintrovae.errors import UserError
from tf_sintrovae.files import full_disk_errors, recover_folder, remove_leftovers
from tf_sintrovae.files import write_atomically as write_atomically

# Settings that a run may change when it continues: they do not alter what was trained so far.
CHANGEABLE = {
    "workdir",
    "data_dir",
    "max_data_gib",
    "epochs",
    "strategy",
    "jit_compile",
    "steps_per_execution",
    "deterministic",
    "refresh_batch_norm",
    "evaluate",
    "metrics",
    "export",
    "checkpoint_seconds",
    "overwrite",
}


@dataclasses.dataclass(frozen=True)
class Workdir:
    """Paths inside the folder of a run."""

    root: pathlib.Path

    @property
    def checkpoints(self) -> pathlib.Path:
        """Checkpoints of model and optimizers."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> pathlib.Path:
        """TensorBoard's event files."""
        return self.root / "tensorboard"

    @property
    def figures(self) -> pathlib.Path:
        """Pictures."""
        return self.root / "figures"

    @property
    def history(self) -> pathlib.Path:
        """Losses, a JSON object an epoch; of two for one epoch the later holds."""
        return self.root / "history.jsonl"

    @property
    def results(self) -> pathlib.Path:
        """Measures of the trained model."""
        return self.root / "results.json"

    @property
    def saved_model(self) -> pathlib.Path:
        """The export."""
        return self.root / "saved_model"


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Workdir]:
    """Makes or continues the folder of a run, and keeps other processes out of it meanwhile.

    Args:
        config: names the folder; its settings must be those of the run already there, but for `CHANGEABLE`.

    Yields:
        The folder, with `config.json` and `flags.txt` written.

    Raises:
        UserError: a folder that cannot be written, is in use, or holds a run with other settings.
    """
    workdir = Workdir(pathlib.Path(config.workdir).expanduser())
    with _user_errors(workdir.root), _lock(workdir.root), full_disk_errors(workdir.root):
        _tidy(workdir)
        if config.overwrite:
            _clear(workdir)
        if any(
            workdir.checkpoints.glob("*.index")
        ):  # else nothing was trained that could be mixed up
            _check_same_run(config, read_config(workdir.root))
        kept = dataclasses.replace(config, overwrite=False)  # flags.txt continues the run
        write_atomically(workdir.root / "config.json", kept.to_json())
        write_atomically(workdir.root / "flags.txt", kept.to_flagfile())
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
    recover_folder(workdir.saved_model)
    for folder in (workdir.root, workdir.figures):
        remove_leftovers(folder)


def _clear(workdir: Workdir) -> None:
    """Removes what a run writes, and nothing else that may lie in the folder."""
    for folder in (workdir.checkpoints, workdir.tensorboard, workdir.figures, workdir.saved_model):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("config.json", "flags.txt", workdir.history.name, workdir.results.name):
        (workdir.root / name).unlink(missing_ok=True)


def _check_same_run(config: Config, before: Config | None) -> None:
    if before is None:
        return
    old, new = dataclasses.asdict(before), dataclasses.asdict(config)
    changed = [name for name in new if new[name] != old[name] and name not in CHANGEABLE]
    if changed:
        text = ", ".join(f"{name}={new[name]} (was {old[name]})" for name in changed)
        raise UserError(
            f"workdir {config.workdir} holds a run with other settings: {text}; give another "
            "--workdir, the same settings to continue it, or --overwrite to start afresh"
        )
