"""`python -m tf_sintrovae.report`: what it writes, one-line errors, without TensorFlow."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from absl import flags

from tests.support.html_pages import assert_stands_alone
from tests.support.made_runs import make_run
from tests.support.runs import ROOT
from tf_sintrovae import report as command
from tf_sintrovae.errors import UserError


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """A folder of modules whose import is an error."""
    folder = tmp_path_factory.mktemp("no_tensorflow")
    for name in ("tensorflow", "keras", "tensorflow_probability", "sklearn"):
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')")
    return folder


def report(folder, *arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "tf_sintrovae.report", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_copied_run_has_its_report_without_tensorflow(tmp_path, without_tensorflow):
    run = make_run(tmp_path / "run")
    done = report(without_tensorflow, run)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"run, finished: {run}/report.html\n"
    assert_stands_alone((run / "report.html").read_text())
    assert sorted(path.name for path in run.iterdir() if path.name.startswith(".")) == []


def test_several_runs_have_a_page_together(tmp_path, without_tensorflow):
    one, other = make_run(tmp_path / "one"), make_run(tmp_path / "other", 0)
    done = report(without_tensorflow, one, other, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"one, finished: {one}/report.html\n"
        f"{other}: no epoch is complete yet\n"
        f"other, stopped: {other}/report.html\n"
        "2 runs side by side: comparison.html\n"
    )
    assert "one / other" in assert_stands_alone((tmp_path / "comparison.html").read_text()).text


def damaged(folder, epochs):
    make_run(folder, epochs)
    (folder / "config.json").write_text("{")


def read_only(folder, epochs):
    make_run(folder, epochs)
    (folder / "report.html").mkdir()


@pytest.mark.parametrize(
    ("make", "folders", "parts"),
    [
        (None, ["nowhere"], ("nowhere", "not the folder of a run", "--workdir")),
        (make_run, ["run/config.json"], ("config.json", "not the folder of a run")),
        (None, ["run"] * 9, ("9 runs", "at most 8")),
        (damaged, ["run"], ("run/config.json", "restore it")),
        (read_only, ["run"], ("report.html", "cannot be written")),
        (make_run, ["run", "run"], ("no/where.html", "give another")),
    ],
    ids=["no folder", "a file", "too many", "damaged", "no place", "no output"],
)
def test_what_cannot_be_read_or_written_is_named(tmp_path, monkeypatch, make, folders, parts):
    if make is not None:
        make(tmp_path / "run", epochs=0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(flags, "FLAGS", SimpleNamespace(output="no/where.html"))
    with pytest.raises(UserError) as error:
        command.main(*folders)
    for part in parts:
        assert part in str(error.value)


def test_errors_are_one_line(without_tensorflow):
    done = report(without_tensorflow)
    assert done.returncode == 2
    assert (
        done.stderr == "error: RUN, the folder of a run, is missing: expected it as an argument\n"
    )
