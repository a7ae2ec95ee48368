"""The BUILD files: every source and test file in a target, whose deps are its imports."""

import ast
import graphlib
import subprocess
import sys

import pytest

from tests import build_file, run_bazel


@pytest.fixture(scope="module")
def expected():
    return build_file.expected_targets()


@pytest.fixture(scope="module")
def committed():
    return build_file.parsed_targets(build_file.committed_files())


def test_the_committed_files_are_what_the_generator_writes(expected):
    """All of each file: also groups of data, and no BUILD file where there are no sources any more."""
    files, written = build_file.committed_files(), build_file.build_files(expected)
    differing = {path for path in files | written if files.get(path) != written.get(path)}
    assert not differing, f"{differing}; run `make build-file`"


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
    assert {"//tf_sintrovae:main.py", "//tf_sintrovae:evaluate.py"} <= binaries
    assert {"//:main", "//:evaluate"} <= set(committed)


def test_no_circle_of_dependencies(expected):
    """Bazel refuses one."""
    graph = {
        target.label: [_absolute(label, target.package) for label in target.deps]
        for target in expected.values()
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())  # names a circle in its error
    assert set(order) == set(graph)  # each dependency is a target


def _absolute(label: str, package: str) -> str:
    return f"//{package}{label}" if label.startswith(":") else label


def test_modules_named_in_strings_are_there_when_a_command_or_test_runs(expected):
    """The loaders, which the registry imports by name."""
    (loader,) = [label for label in expected if label.endswith(":densities")]
    for label in ("//:main", "//:evaluate"):
        assert loader in expected[label].deps


def test_test_targets_run_their_file_under_pytest():
    """A py_test whose main is the test file itself would define functions and pass."""
    count = 0
    for path, text in build_file.committed_files().items():
        for attributes in _attributes(text, "py_test"):
            package = path.rpartition("/")[0]
            srcs, args = attributes["srcs"], attributes["args"]
            assert args == [f"{package}/{srcs[0]}"]
            assert attributes["main"] in srcs
            assert attributes["main"] in ("run_file.py", "//tests:run_file.py")
            count += 1
    assert count > 50


def _attributes(text: str, rule: str) -> list[dict]:
    """Names and values of each call of a rule, without `deps`, which holds calls."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg != "deps"}
        for call in calls
        if getattr(call.func, "id", "") == rule
    ]


def test_the_runner_fails_when_a_test_fails(tmp_path):
    for name, code in {"assert True": 0, "assert False": 1}.items():
        path = tmp_path / f"test_{code}.py"
        path.write_text(f"def test_it():\n    {name}\n")
        runner = [sys.executable, str(build_file.ROOT / build_file.RUNNER), str(path)]
        assert subprocess.run(runner, cwd=tmp_path, capture_output=True).returncode == code


def test_the_comparison_sees_a_missing_dependency(expected):
    files = build_file.build_files(expected)
    path = "tf_sintrovae/BUILD"
    files[path] = files[path].replace('requirement("keras"),', "", 1)
    assert build_file.parsed_targets(files) != expected


def test_imports_inside_functions_count():
    modules = build_file.imports("tf_sintrovae/main.py")
    assert "tf_sintrovae.training.loop" in modules  # imported only after the flags were checked


def test_imports_of_type_checkers_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(build_file, "ROOT", tmp_path)
    lines = ["import a", "if TYPE_CHECKING:", "    import b", "def f():", "    import c"]
    (tmp_path / "typed.py").write_text("\n".join(lines))
    assert build_file.imports("typed.py") == {"a", "c"}


def test_bazels_absence_is_said_in_a_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_bazel.main() == 1
    message = capsys.readouterr().err
    assert "apt-get install bazel-bootstrap" in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("failing", "code"), [("query", 3), ("build", 3), ("test", 3), ("none", 0)]
)
def test_a_failure_of_bazels_is_the_scripts_exit_code(failing, code, monkeypatch, tmp_path):
    program = tmp_path / "bazel"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo bazel no_version\n'
        f'case " $* " in *" {failing} "*) exit 3;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert run_bazel.main() == code


def test_quick_tests_are_targets():
    assert {label.rpartition(":")[2] for label in run_bazel.quick_tests()} == set(run_bazel.QUICK)


@pytest.mark.slow
@pytest.mark.skipif(run_bazel.reason_not_to_run(), reason=str(run_bazel.reason_not_to_run()))
def test_bazel_builds_all_targets_and_runs_quick_tests():
    assert run_bazel.main() == 0
