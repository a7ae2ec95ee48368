"""What is measured on a GPU machine goes on where it stopped; the parts themselves are in test_runner.py."""

import json

import pytest

from benchmarks.hlo import measure

METAS = {
    "digits": {"kind": "run"},
    "fmnist": {"kind": "steps"},
    "kernels": {"kind": "kernels", "programs": {"5x3x40": {}}},
}
ALL = ["digits/jax", "fmnist/jax", "fmnist/torch", "kernels/jax/5x3x40", "kernels/torch/5x3x40"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, meta in METAS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(json.dumps(meta))
    monkeypatch.setattr(measure.importlib.util, "find_spec", lambda name: object())
    return tmp_path


def run(folder, monkeypatch, results, *arguments):
    """Runs the command; a part gives its entry of `results`, or one row. Returns what was measured."""
    measured = []

    def run_part(root, part, seconds):
        measured.append(part.name)
        return results.get(part.name, {"device": "a device", "rows": [{"way": part.name}]})

    monkeypatch.setattr(measure, "run_part", run_part)
    monkeypatch.setattr("sys.argv", ["measure", str(folder), *arguments])
    measure.main()
    return measured


def test_all_parts_are_measured_and_told(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, {}) == ALL
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("all is measured")
    assert all(name in printed for name in ALL)
    assert set(json.loads((folder / "results.json").read_text())) == set(ALL)


def test_a_second_call_measures_what_is_left(folder, monkeypatch, capsys):
    failing = {"fmnist/torch": {"failed": "no reason"}}
    assert run(folder, monkeypatch, failing) == ALL
    printed = capsys.readouterr().out
    assert "fmnist/torch failed: no reason" in printed
    assert printed.rstrip().endswith("by the same command: fmnist/torch")
    assert run(folder, monkeypatch, {}) == ["fmnist/torch"]


def test_no_time_is_no_part(folder, monkeypatch):
    assert run(folder, monkeypatch, {}, "--seconds=0") == []


def test_one_folder_alone(folder, monkeypatch):
    assert run(folder, monkeypatch, {}, "--only=kernels") == ALL[3:]


def test_without_pytorch_its_parts_are_left_out(folder, monkeypatch):
    monkeypatch.setattr(measure.importlib.util, "find_spec", lambda name: None)
    assert run(folder, monkeypatch, {}) == [name for name in ALL if "torch" not in name]


def test_what_a_part_fails_with_is_kept(folder):
    result = measure.run_part(folder, measure.Part("nothing", "jax"), 60.0)
    assert "nothing holds no export" in result["failed"]


def test_a_part_that_takes_too_long_is_ended(folder):
    result = measure.run_part(folder, measure.Part("nothing", "jax"), 0.001)
    assert "did not end" in result["failed"]
