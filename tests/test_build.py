"""BUILD: every source and test file in a target, whose deps are its imports."""

import ast
import subprocess
import sys

import pytest

from tests import build_file


@pytest.fixture(scope="module")
def expected():
    return build_file.expected_targets()


@pytest.fixture(scope="module")
def committed():
    return build_file.parsed_targets((build_file.ROOT / "BUILD").read_text())


def test_every_file_has_a_target_and_every_target_a_file(expected, committed):
    missing, stale = set(expected) - set(committed), set(committed) - set(expected)
    assert not missing, f"files without a target: {missing}; run `make build-file`"
    assert not stale, f"targets without a file: {stale}; run `make build-file`"


def test_sources_and_dependencies_are_the_files_imports(expected, committed):
    wrong = {
        name: (committed[name], target)
        for name, target in expected.items()
        if name in committed and committed[name] != target
    }
    assert not wrong, f"(BUILD says, imports say): {wrong}; run `make build-file`"


def test_commands_are_binaries(committed):
    binaries = {t.srcs[0] for t in committed.values() if t.rule == "py_binary"}
    assert {"tf_sintrovae/main.py", "tf_sintrovae/evaluate.py"} <= binaries


def test_test_targets_run_their_file_under_pytest():
    """A py_test whose main is the test file itself would define functions and pass."""
    calls = [
        {keyword.arg: keyword.value for keyword in node.keywords}
        for node in ast.walk(ast.parse((build_file.ROOT / "BUILD").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "py_test"
    ]
    assert calls
    for call in calls:
        srcs, args = ast.literal_eval(call["srcs"]), ast.literal_eval(call["args"])
        assert call["main"].value == build_file.RUNNER
        assert args == [srcs[0]] and build_file.RUNNER in srcs


def test_the_runner_fails_when_a_test_fails(tmp_path):
    for name, code in {"assert True": 0, "assert False": 1}.items():
        path = tmp_path / f"test_{code}.py"
        path.write_text(f"def test_it():\n    {name}\n")
        runner = [sys.executable, str(build_file.ROOT / build_file.RUNNER), str(path)]
        assert subprocess.run(runner, cwd=tmp_path, capture_output=True).returncode == code


def test_the_comparison_sees_a_missing_dependency(expected):
    text = build_file.rendered(expected).replace('requirement("keras"),', "", 1)
    assert build_file.parsed_targets(text) != expected


def test_imports_inside_functions_count():
    modules = build_file.imports("tf_sintrovae/main.py")
    assert "tf_sintrovae.training.loop" in modules  # imported only after the flags were checked
