"""BUILD: every source and test file in a target, whose deps are its imports."""

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


def test_the_comparison_sees_a_missing_dependency(expected):
    text = build_file.rendered(expected).replace('requirement("keras"),', "", 1)
    assert build_file.parsed_targets(text) != expected


def test_imports_inside_functions_count():
    modules = build_file.imports("tf_sintrovae/main.py")
    assert "tf_sintrovae.training" in modules  # imported only after the flags were checked
