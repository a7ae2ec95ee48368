"""What cannot be exported is told in one line before any work is done."""

import sys

import pytest

from benchmarks.hlo import export, load, package, prepare
from benchmarks.hlo.bundle import Bundle
from benchmarks.hlo.errors import ExportError
from benchmarks.hlo.kernel_cases import SIZES, parse_size
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ema_decay", 0.9),
        ("best_metric", "fid"),
        ("init_from", "runs/x"),
        ("on_nonfinite", "rollback"),
    ],
)
def test_settings_that_the_runner_does_not_know(name, value):
    with pytest.raises(UserError, match=f"{name}={value} is not exported"):
        export.check_settings(Config(dataset="digits", **{name: value}))
    export.check_settings(Config(dataset="digits"))


def test_endless_data_do_not_travel():
    from benchmarks.hlo import start

    with pytest.raises(UserError, match="8gaussians is not held in memory"):
        start.build(Config(dataset="8gaussians"))


def test_a_python_without_jax():
    with pytest.raises(UserError, match="--jax_python"):
        package.require_jax("/bin/false")
    package.require_jax("/bin/true")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="is no export"):
        package.open_folder(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_export_is_written_over_an_export(tmp_path):
    package.open_folder(tmp_path)
    (tmp_path / "state.npz").write_text("of an export that was interrupted")
    package.open_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["programs", "states"]


def test_no_export_is_told(tmp_path):
    with pytest.raises(ExportError, match="holds no export"):
        load.load(Bundle(tmp_path), tmp_path / "run", {})


def test_sizes_of_kernels_have_names():
    assert [parse_size(size.name) for size in SIZES] == list(SIZES)


def test_preparation_takes_what_is_asked_for(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(package, "require_jax", lambda python: asked.append(python))
    monkeypatch.setattr(package, "copy_code", asked.append)
    monkeypatch.setattr(prepare, "prepare_kernels", lambda *given: asked.append(given))
    monkeypatch.setattr(prepare, "prepare_steps", lambda *given: asked.append(given))
    arguments = [f"--output={tmp_path}", "--sizes=5x3x40", "--settings=plane", "--platform=cpu"]
    monkeypatch.setattr("sys.argv", ["prepare", *arguments])
    prepare.main()
    python, kernels, steps, code = asked
    assert python == sys.executable and code == tmp_path
    assert kernels == (tmp_path / "kernels", [(5, 3, 40)], "cpu", python)
    assert (steps[0], *steps[2:]) == (tmp_path / "plane", "cpu", python)
