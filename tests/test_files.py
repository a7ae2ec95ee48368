"""Files and folders that are the old or the new ones, and disks that are full."""

import errno
import os
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.support.cases import Case
from tests.support.disks import fill, mounted
from tests.support.runs import ROOT
from tf_sintrovae import files
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving import export, saved_model


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with 4 MiB."""
    yield from mounted(tmp_path / "disk", 4)


@pytest.mark.parametrize("content", ["new é", b"new", lambda file: file.write(b"new")])
def test_a_file_is_replaced_as_a_whole(tmp_path, content):
    path = tmp_path / "file"
    path.write_text("old")
    files.write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def broken(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, broken)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_names_the_file_and_keeps_the_old_one(small_disk):
    path = small_disk / "file"
    path.write_text("old")
    fill(small_disk)
    with (
        pytest.raises(UserError, match=rf"^{path} cannot be written: no space left on device; .*"),
        files.full_disk_errors("elsewhere"),
    ):
        files.write_atomically(path, bytes(1_000_000))
    assert path.read_text() == "old"
    assert sorted(os.listdir(small_disk)) == ["ballast", "file"]


def test_tensorflows_writers_on_a_full_disk_are_one_line_too(small_disk):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.random.uniform([1000])))
    path = checkpoint.write(str(small_disk / "good"))
    fill(small_disk)
    with (
        pytest.raises(UserError, match=rf"^{small_disk} cannot be written: no space left"),
        files.full_disk_errors(small_disk),
    ):
        checkpoint.write(str(small_disk / "bad"))
    checkpoint.read(path).assert_consumed()


def test_an_export_on_a_full_disk_keeps_the_previous_one(small_disk):
    path = small_disk / "saved_model"
    export.export(Case("points", "standard_normal").model(), path, info={"which": "first"})
    before = saved_model.hashes(path)
    fill(small_disk)
    with pytest.raises(UserError, match=r"saved_model.* cannot be written: no space left"):
        export.export(Case("points", "standard_normal").model(), path, info={"which": "second"})
    assert saved_model.hashes(path) == before
    assert sorted(os.listdir(small_disk)) == ["ballast", "saved_model"]
    saved_model.load(path)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES])
def test_other_errors_pass_through(number):
    with pytest.raises(OSError, match="elsewhere"), files.full_disk_errors("here"):
        raise OSError(number, os.strerror(number), "elsewhere")
    with pytest.raises(tf.errors.NotFoundError), files.full_disk_errors("here"):
        raise tf.errors.NotFoundError(None, None, "no such file")


def folder_of(path, text):
    path.mkdir()
    (path / "saved_model.pb").write_text(text)
    return path


def killed_swap(folder, at: int) -> None:
    """A process that replaces `folder/new` for `folder/model` and dies at its call `at` of `rename`."""
    code = (
        "import os, pathlib, signal, sys\n"
        "from tf_sintrovae import files\n"
        "rename, calls = os.rename, []\n"
        "def counted(*paths):\n"
        "    if len(calls) == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    calls.append(paths); rename(*paths)\n"
        "os.rename = counted\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "new = files.temporary_path(folder / 'model')\n"
        "os.replace(folder / 'new', new)\n"
        "files.replace_folder(new, folder / 'model')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder), str(at)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("at", [0, 1])
def test_a_swap_that_was_killed_is_repaired(tmp_path, at):
    path = folder_of(tmp_path / "model", "old")
    folder_of(tmp_path / "new", "new")
    killed_swap(tmp_path, at)
    assert path.exists() == (at == 0)
    if at == 1:
        with pytest.raises(
            UserError, match=r"was interrupted, the one before lies in .*\.model\.old"
        ):
            saved_model.locate(path)
    files.recover_folder(path)
    assert (path / "saved_model.pb").read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_a_swap_that_died_before_tidying_keeps_the_new_folder(tmp_path):
    path = folder_of(tmp_path / "model", "new")
    folder_of(tmp_path / ".model.old", "old")
    files.recover_folder(path)
    assert (path / "saved_model.pb").read_text() == "new"
    assert os.listdir(tmp_path) == ["model"]


def test_only_leftovers_of_ended_processes_are_removed(tmp_path):
    names = [f".a.{os.getppid()}.tmp", f".b.{2**22 + 1}.tmp", ".c.d.tmp", "e.1.tmp", ".lock"]
    for name in names:
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(set(names) - {names[1]})


@pytest.mark.parametrize("name", ["~0", "~nobody-of-this-name/data", "~\0", "\0"])
def test_a_home_of_nobody_stays_a_path_that_is_not_there(name):
    assert str(files.user_path(name)) == name


def test_the_user_s_own_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert str(files.user_path("~/data")) == "/somewhere/data"
