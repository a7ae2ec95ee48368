"""Reads and builds all targets with Bazel and tests some of them, offline: `make bazel`.

Debian's Bazel 4.2 brings its Python rules along. What else its rules and the BUILD files load is here:
small repositories, written to a temporary folder, that lead to what is built in. The libraries are those
of the interpreter that runs this, and so is the tests' interpreter. Lies in tests/ because it knows the
targets from tests/build_targets.py, as a test does.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from tests import build_targets

# Quick tests of each kind: numbers, kernels, data found by name, flag files, the BUILD files.
QUICK = (
    "test_build",
    "test_clustering",
    "test_components",
    "test_config",
    "test_distributions",
    "test_frechet",
    "test_histogram",
    "test_images",
    "test_modes",
    "test_objectives",
    "test_presets",
    "test_registry",
    "test_sampling",
)
EXPECTED = "expected version 4, as `apt-get install bazel-bootstrap` installs it on Debian"


def _define(rules: str) -> str:
    """A .bzl file with built-in rules."""
    return "".join(f"{rule} = native.{rule}\n" for rule in rules.split())


PUBLIC = 'package(default_visibility = ["//visibility:public"])\n'
# Repository -> path -> text. What is not needed for Python is named because Bazel loads it all the same.
REPOSITORIES = {
    "rules_python": {
        "python/BUILD": "",
        "python/defs.bzl": _define("py_binary py_library py_test"),
    },
    "rules_cc": {
        "cc/BUILD": "",
        "cc/defs.bzl": _define(
            "cc_binary cc_library cc_proto_library cc_test cc_toolchain cc_toolchain_suite"
        ),
    },
    "rules_java": {
        "java/BUILD": "",
        "java/defs.bzl": _define(
            "java_binary java_import java_library java_runtime java_toolchain"
        ),
    },
    "remote_coverage_tools": {
        "BUILD": PUBLIC + 'filegroup(name = "coverage_report_generator")\n'
        'filegroup(name = "lcov_merger")\n',
    },
}
INTERPRETER = """
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")
py_runtime(
    name = "runtime",
    interpreter_path = {python!r},
    python_version = "PY3",
    stub_shebang = {shebang!r},
)
py_runtime_pair(name = "pair", py3_runtime = ":runtime")
toolchain(
    name = "toolchain",
    toolchain = ":pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""


def main() -> int:
    """Runs `bazel query`, `build` and `test`; the exit code is the first one that is not 0."""
    reason = reason_not_to_run()
    if reason:
        print(reason, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return _check(pathlib.Path(folder))
        finally:
            _bazel(folder, "shutdown")


def reason_not_to_run() -> str | None:
    """What is missing, in a line; None if Bazel is there and has Python rules of its own."""
    if not shutil.which("bazel"):
        return f"bazel: not found; {EXPECTED}"
    done = subprocess.run(["bazel", "--version"], capture_output=True, text=True, check=False)
    version = done.stdout.strip().removeprefix("bazel ")
    # Debian's says that it has none.
    if version == "no_version" or version.startswith("4."):
        return None
    return f"bazel: version {version!r}, which takes MODULE.bazel and the network; {EXPECTED}"


def quick_tests() -> list[str]:
    """Labels of the quick tests."""
    targets = build_targets.expected_targets().values()
    return sorted(target.label for target in targets if target.name in QUICK)


def _check(folder: pathlib.Path) -> int:
    """Runs the three commands with all that they write in `folder`."""
    overrides = [
        f"--override_repository={name}={folder / name}" for name in _write_repositories(folder)
    ]
    toolchain = "--extra_toolchains=@pypi//:toolchain"
    # One job at a time: a single test uses all cores.
    options = ["--jobs=1", "--nosandbox_debug", toolchain, "--symlink_prefix=/", *overrides]
    commands = (
        ["query", *overrides, "//..."],
        ["build", *options, "//..."],
        ["test", *options, "--test_output=errors", *quick_tests()],
    )
    return next((code for command in commands if (code := _bazel(folder, *command))), 0)


def _write_repositories(folder: pathlib.Path) -> list[str]:
    """Writes the repositories; returns their names."""
    repositories = REPOSITORIES | {"pypi": _environment()}
    for name, files in repositories.items():
        for path, text in {"WORKSPACE": "", **files}.items():
            target = folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return list(repositories)


def _environment() -> dict[str, str]:
    """A repository with an empty library for each requirement: the interpreter's own are used."""
    targets = build_targets.expected_targets().values()
    labels = {label for target in targets for label in target.deps}
    prefix = build_targets.REQUIREMENTS
    names = sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))
    interpreter = INTERPRETER.format(python=sys.executable, shebang=f"#!{sys.executable}")
    return {"BUILD": interpreter} | {
        f"{name}/BUILD": PUBLIC + f'py_library(name = "{name}")\n' for name in names
    }


def _bazel(folder: pathlib.Path, *arguments: str) -> int:
    """Runs Bazel in the project, its own files in `folder`; returns the exit code."""
    memory = "--host_jvm_args=-Xmx1g"
    start = ["bazel", f"--output_user_root={folder}/output", "--max_idle_secs=60", memory]
    return subprocess.run([*start, *arguments], cwd=build_targets.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
