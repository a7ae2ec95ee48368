"""What BUILD must say, read off the sources' imports; `python -m tests.build_file` writes it."""

import ast
import pathlib
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("tf_sintrovae", "benchmarks", "tests")
BINARIES = ("tf_sintrovae/main.py", "tf_sintrovae/evaluate.py", "tf_sintrovae/reproduce.py")
# A test file only defines functions: as its own main it would pass without running any.
RUNNER = "tests/run_file.py"
TEST_SUPPORT = (RUNNER, "tests/conftest.py")
# Import name -> distribution, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_probability": "tensorflow-probability",
    "tf_keras": "tf-keras",
}
HEADER = '''"""Targets of the whole project: a library a file, a binary a command, a test a test file.

Written by `make build-file` from the sources' imports; tests/test_build.py compares. It was never
built with Bazel itself.
kernels/ and configs/ are named by the paths that they are imported by, the symlinks in tf_sintrovae/.
"""

load("@pypi//:requirements.bzl", "requirement")
load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

package(default_visibility = ["//visibility:public"])

filegroup(
    name = "data",
    srcs = glob([
        "README.md",
        "configs/**/*.flags",
        "docs/**",
        "pyproject.toml",
        "tests/golden/*.npz",
    ]),
)

# For the tests that read the sources: of BUILD itself, and of what a wheel holds.
filegroup(
    name = "repository",
    srcs = glob([
        "**/*.py",
        "BUILD",
        "LICENSE",
    ]),
)
'''


class Target(NamedTuple):
    """One rule: `deps` (labels) and `requirements` (distributions), sorted, are its sources' imports."""

    rule: str
    name: str
    srcs: tuple[str, ...]
    deps: tuple[str, ...]
    requirements: tuple[str, ...]


def expected_targets() -> dict[str, Target]:
    """All targets that the sources call for, by name."""
    targets = [_target(path) for path in sources()]
    targets += [
        _target(path)._replace(rule="py_binary", name=pathlib.Path(path).stem)
        for path in BINARIES
        if (ROOT / path).exists()
    ]
    return {target.name: target for target in targets}


def sources() -> list[str]:
    """Every Python file of the project, by the path that it is imported by."""
    paths = [p for folder in FOLDERS for p in _python_files(ROOT / folder)]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def _python_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Python files below `folder`, through symlinks."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            found += _python_files(path)
        elif path.suffix == ".py":
            found.append(path)
    return found


def _target(path: str) -> Target:
    is_test = pathlib.Path(path).name.startswith("test_")
    srcs = (path, *TEST_SUPPORT) if is_test else (path,)
    modules = set().union(*(imports(source) for source in srcs))
    own = {module for module in modules if module.split(".")[0] in FOLDERS}
    files = {_file(module) for module in own} - set(srcs)
    others = {m.split(".")[0] for m in modules - own} - set(sys.stdlib_module_names)
    return Target(
        "py_test" if is_test else "py_library",
        path[:-3],
        srcs,
        tuple(sorted(f":{file[:-3]}" for file in files)),
        tuple(sorted(DISTRIBUTIONS.get(name, name) for name in others)),
    )


def imports(path: str) -> set[str]:
    """Modules that a file imports anywhere: of `from a import b` the module a.b, if b is one, else a."""
    modules = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                modules.add(inner if _file(inner) else node.module)
    return modules


def _file(module: str) -> str | None:
    """Path of an own module; None for any other."""
    base = module.replace(".", "/")
    for path in (f"{base}.py", f"{base}/__init__.py"):
        if (ROOT / path).exists():
            return path
    return None


def parsed_targets(text: str) -> dict[str, Target]:
    """The targets of a BUILD file, by name."""
    targets = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("py_"):
            values = {keyword.arg: keyword.value for keyword in node.keywords}
            deps = values["deps"].elts if "deps" in values else []
            labels = [d.value for d in deps if isinstance(d, ast.Constant)]
            requirements = [d.args[0].value for d in deps if isinstance(d, ast.Call)]
            name = values["name"].value
            srcs = tuple(ast.literal_eval(values["srcs"]))
            targets[name] = Target(
                node.func.id, name, srcs, tuple(sorted(labels)), tuple(sorted(requirements))
            )
    return targets


def rendered(targets: dict[str, Target]) -> str:
    """The text of BUILD."""
    return HEADER + "".join(_rule(target) for target in targets.values())


def _rule(target: Target) -> str:
    srcs = ", ".join(f'"{source}"' for source in target.srcs)
    lines = [f'    name = "{target.name}",', f"    srcs = [{srcs}],"]
    if target.rule == "py_binary":
        lines.append(f'    main = "{target.srcs[0]}",')
    if target.rule == "py_test":
        lines += _test_lines(target)
    deps = [f'"{d}"' for d in target.deps] + [f'requirement("{r}")' for r in target.requirements]
    if deps:
        lines += ["    deps = [", *(f"        {dep}," for dep in deps), "    ],"]
    return "\n".join([f"\n{target.rule}(", *lines, ")\n"])


def _test_lines(target: Target) -> list[str]:
    reads_sources = ":tests/build_file" in target.deps
    data = '":data", ":repository"' if reads_sources else '":data"'
    return [
        f'    main = "{RUNNER}",',
        f'    args = ["{target.srcs[0]}"],',
        f"    data = [{data}],",
    ]


if __name__ == "__main__":
    (ROOT / "BUILD").write_text(rendered(expected_targets()))
