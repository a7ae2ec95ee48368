"""The BUILD files: every source and test file in a target, whose deps are its imports."""

import graphlib
import subprocess
import sys
import types

import pytest

from tests import build_file, build_targets, run_bazel


@pytest.fixture(scope="module")
def expected():
    return build_targets.expected_targets()


@pytest.fixture(scope="module")
def committed():
    return build_file.parse_targets(build_file.committed_files())


def test_the_committed_files_are_what_the_generator_writes(expected):
    """All of each file: also groups of data, and no BUILD file where there are no sources any more."""
    files, written = build_file.committed_files(), build_file.build_files(expected)
    differing = {path for path in files | written if files.get(path) != written.get(path)}
    assert not differing, f"{differing}; run `make build-file`"


def test_every_file_has_a_target_and_every_target_a_file(expected, committed):
    missing, stale = set(expected) - set(committed), set(committed) - set(expected)
    assert not missing, f"files without a target: {missing}; run `make build-file`"
    assert not stale, f"targets without a file: {stale}; run `make build-file`"


def test_dependencies_are_the_files_imports(expected, committed):
    wrong = {
        name: (committed[name], target)
        for name, target in expected.items()
        if name in committed and committed[name] != target
    }
    assert not wrong, f"(BUILD says, imports say): {wrong}; run `make build-file`"


def test_commands_are_programs(rules):
    programs = [attributes for rule, _, attributes in rules if rule == "py_binary"]
    assert {"main", "evaluate"} <= {attributes["name"] for attributes in programs}
    for attributes in programs:
        assert attributes["main"] == f"//tf_sintrovae:{attributes['name']}.py"
        assert attributes["srcs"] == [attributes["main"]]


@pytest.fixture(scope="module")
def rules():
    """Rule, package and attributes that the BUILD files come to, by the macros of targets.bzl."""
    found = []

    def record(rule):
        return lambda **attributes: found.append((rule, package, attributes))

    loaded = {rule: record(rule) for rule in ("py_binary", "py_library", "py_test")}
    # Starlark is Python here, but for what both lack.
    native = types.SimpleNamespace(
        package_name=lambda: package, glob=lambda patterns: patterns, filegroup=lambda **_: None
    )
    macros = {**loaded, "native": native, "load": lambda *_: None, "exports_files": lambda _: None}
    exec((build_targets.ROOT / "targets.bzl").read_text(), macros)
    for path, text in build_file.committed_files().items():
        package = path.rpartition("/")[0]
        exec(text, dict(macros))
    return found


def test_every_target_becomes_a_rule_with_its_file(rules, expected):
    assert len(rules) == len(expected)
    for rule, package, attributes in rules:
        srcs = attributes.get("srcs", [])
        paths = [src.removeprefix("//").replace(":", "/") for src in srcs if src.startswith("//")]
        paths += [f"{package}/{src}" for src in srcs if not src.startswith("//")]
        assert all((build_targets.ROOT / path).is_file() for path in paths)
        target = expected[f"//{package}:{attributes['name']}"]
        assert bool(srcs) == (target.kind != "python_group")
        assert set(attributes["deps"]) >= set(target.deps), rule


def test_no_circle_of_dependencies(expected):
    """Bazel refuses one."""
    graph = _graph(expected)
    order = list(graphlib.TopologicalSorter(graph).static_order())  # names a circle in its error
    assert set(order) == set(graph)  # each dependency is a target


def _graph(targets):
    """Label -> labels of the own targets among its dependencies."""
    return {
        target.label: [
            build_targets.absolute(label, target.package)
            for label in target.deps
            if not label.startswith(build_targets.REQUIREMENTS)
        ]
        for target in targets.values()
    }


@pytest.mark.parametrize("command", ["//:main", "//:evaluate"])
def test_modules_named_in_strings_are_there_when_a_command_runs(command, expected):
    """The loaders, which the registry imports by name, and the metrics, which evaluation does."""
    names = {label.rpartition(":")[2] for label in _all_dependencies(command, _graph(expected))}
    assert {"densities", "digits", "suite", "representation", "transformer"} <= names


def test_all_that_running_may_import_is_there(expected):
    """Except the `__init__.py` that only have a docstring, in whose place Bazel puts empty ones."""
    graph = _graph(expected)
    libraries = {f"{t.package}/{t.name}.py": t.label for t in expected.values()}
    for label, target in expected.items():
        if target.kind == "python_test":
            files = build_targets.reached_files(f"{target.package}/{target.name}.py")
            wanted = {libraries[file] for file in files - set(build_targets.TEST_SUPPORT)}
            assert wanted <= _all_dependencies(label, graph), label


def test_no_test_is_imported(expected):
    """The macros keep tests private: what two of them share belongs to tests/support/."""
    tests = {label for label, target in expected.items() if target.kind == "python_test"}
    needed = {label for labels in _graph(expected).values() for label in labels}
    assert not needed & tests


def _all_dependencies(label, graph):
    """All that a target depends on, itself included."""
    return build_targets.closure((label,), graph.get)


def test_test_targets_run_their_file_under_pytest(rules):
    """A py_test whose main is the test file itself would define functions and pass."""
    tests = [(package, attributes) for rule, package, attributes in rules if rule == "py_test"]
    for package, attributes in tests:
        srcs, name = attributes["srcs"], attributes["name"]
        assert srcs == [f"{name}.py", "//tests:run_file.py"]
        assert attributes["args"] == [f"{package}/{name}.py"]
        assert attributes["main"] == "//tests:run_file.py"
        assert {"//tests:run_file", "//tests:conftest"} <= set(attributes["deps"])
        assert "//:data" in attributes["data"]
    assert len(tests) > 50


def test_the_runner_fails_when_a_test_fails(tmp_path):
    for name, code in {"assert True": 0, "assert False": 1}.items():
        path = tmp_path / f"test_{code}.py"
        path.write_text(f"def test_it():\n    {name}\n")
        runner = [sys.executable, str(build_targets.ROOT / build_targets.RUNNER), str(path)]
        assert subprocess.run(runner, cwd=tmp_path, capture_output=True).returncode == code


def test_the_comparison_sees_a_missing_dependency(expected):
    files = build_file.build_files(expected)
    path = "tf_sintrovae/BUILD"
    files[path] = files[path].replace('"@pypi//keras", ', "", 1)
    assert build_file.parse_targets(files) != expected


def test_imports_inside_functions_count():
    modules = build_targets.imports("tf_sintrovae/main.py")
    assert "tf_sintrovae.training.loop" in modules  # imported only after the flags were checked


def test_imports_of_type_checkers_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(build_targets, "ROOT", tmp_path)
    lines = ["import a", "if TYPE_CHECKING:", "    import b", "def f():", "    import c"]
    (tmp_path / "typed.py").write_text("\n".join(lines))
    assert build_targets.imports("typed.py") == {"a", "c"}


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
