"""How a run may end after its training: by a signal or on a full disk, with nothing lost."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.disks import empty, fill, mounted
from tests.support.runs import PLANE, ROOT, TINY, assert_same_state, final_state, trained
from tf_sintrovae import command, config, main, plots
from tf_sintrovae.errors import UserError
from tf_sintrovae.monitoring import summaries
from tf_sintrovae.serving import export, saved_model
from tf_sintrovae.training import callbacks, checkpoints, workdir

# A module's function that does a part of the work after training.
pytestmark = pytest.mark.slow

PARTS = {
    "figures": "plots._save",
    "evaluation": "evaluation.measure",
    "export": "export._write_info",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that has trained, and nothing else."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    trained(folder, **PLANE)
    return folder


def continue_with_signal(folder: pathlib.Path, part: str, name: str) -> subprocess.CompletedProcess:
    """Continues the run as the command, which gets a signal in `part` of its work after training."""
    module, function = PARTS[part].split(".")
    code = (
        "import os, signal\n"
        "from absl import flags\n"
        "from tf_sintrovae import command, config, evaluation, main, plots\n"
        "from tf_sintrovae.serving import export\n"
        f"original = {module}.{function}\n"
        "def interrupted(*arguments, **named):\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
        "    return original(*arguments, **named)\n"
        f"{module}.{function} = interrupted\n"
        "config.define_flags()\n"
        f"command.run(main.main, ['main', '--flagfile={folder}/flags.txt', '--export', '--evaluate'])\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_after_training_lose_nothing(finished, tmp_path, part, name):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    with (folder / "flags.txt").open("a") as file:
        file.write(f"--workdir={folder}\n")
    old = folder / "saved_model"
    old.mkdir()
    (old / "saved_model.pb").write_text("of before")
    done = continue_with_signal(folder, part, name)
    assert done.returncode == command.INTERRUPTED, done.stderr
    assert done.stderr.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in done.stderr
    hidden = [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    assert hidden == []
    if part == "export":
        assert (old / "saved_model.pb").read_text() == "of before"
    assert_same_state(folder, final_state(finished))


def run(folder):
    """The run as the command does it, in this process."""
    settings = config.Config(**vars(TINY) | PLANE | {"workdir": str(folder), "export": True})
    with workdir.open_workdir(settings) as opened:
        main.run(settings, opened)


@pytest.fixture
def disk(tmp_path):
    """A file system of its own with 8 MiB."""
    yield from mounted(tmp_path / "disk", 8)


def fill_before(owner, name: str, disk: pathlib.Path, patch) -> None:
    """Lets a function find the disk full."""
    original = getattr(owner, name)

    def filling(*arguments, **named):
        if not (disk / "ballast").exists():
            fill(disk)
        return original(*arguments, **named)

    patch.setattr(owner, name, filling)


def test_a_disk_that_fills_up_at_any_time_costs_nothing(finished, disk, monkeypatch, capfd):
    """Space runs out in every part in turn; each time the same command goes on from there."""
    places = [
        (callbacks.History, "on_epoch_end", UserError),
        (summaries.Summaries, "on_epoch_end", UserError),
        (checkpoints.Checkpoints, "save", UserError),
        (plots, "draw_figures", SystemExit),  # figures alone: all else is made
        (export, "export", UserError),
    ]
    for owner, name, ending in places:
        with monkeypatch.context() as patch, pytest.raises(ending) as error:
            fill_before(owner, name, disk, patch)
            run(disk / "run")
        if ending is SystemExit:
            assert error.value.code == command.INCOMPLETE_EXIT_CODE
            (line,) = [s for s in capfd.readouterr().err.splitlines() if s.startswith("error:")]
            assert line.startswith("error: failed: figures ")
        else:
            assert re.search("cannot be written.*no space left on device", str(error.value), re.I)
            assert "\n" not in str(error.value)
        empty(disk)
    run(disk / "run")
    assert_same_state(disk / "run", final_state(finished))
    saved_model.load(disk / "run" / "saved_model")
    hidden = [path.name for path in (disk / "run").rglob(".*") if path.name != ".lock"]
    assert hidden == []
    assert not list((disk / "run" / "checkpoints").rglob("*temp*"))
