"""The targets that Bazel needs, read off the sources' imports.

A target's kind is a macro of targets.bzl. A library depends on what its file imports. Modules that a file
only names in a string (for importlib, or after `python -m`) and the `__init__.py` of folders on the way may
import that file back, which Bazel refuses between libraries: file and named modules are a group of their
own, NAME-by-name, on which the commands and tests depend that reach the file. Nothing here depends on which
folders there are.
"""

import ast
import functools
import pathlib
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("tf_sintrovae", "benchmarks", "tests")
BINARIES = (
    "tf_sintrovae/main.py",
    "tf_sintrovae/evaluate.py",
    "tf_sintrovae/reproduce.py",
    "tf_sintrovae/sample.py",
    "tf_sintrovae/report.py",
)
RUNNER = "tests/run_file.py"
# What targets.bzl adds to every test.
TEST_SUPPORT = (RUNNER, "tests/conftest.py")
# Tests of a checkout with its symlinks, which is not what Bazel shows a test.
NEEDS_CHECKOUT = ("test_packaging",)
# Import name -> distribution as Bazel's label has it, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl_py",
    "google": "protobuf",
    "sklearn": "scikit_learn",
}
REQUIREMENTS = "@pypi//"
# Ends the name of the group of a file and the modules that it names.
BY_NAME = "-by-name"


class Target(NamedTuple):
    """One target: a macro of targets.bzl, and what it is called with."""

    kind: str
    package: str
    name: str
    deps: tuple[str, ...]
    data: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The target's name from anywhere."""
        return f"//{self.package}:{self.name}"


def expected_targets() -> dict[str, Target]:
    """All targets that the sources call for, by label."""
    targets = [_test(path) if _is_test(path) else _library(path) for path in sources()]
    targets += [_group_by_name(path) for path in sources() if _has_group(path)]
    targets += [_command(path) for path in BINARIES if (ROOT / path).exists()]
    return {target.label: target for target in targets}


def packages() -> list[str]:
    """Every folder with a BUILD file besides the top, by the path that it is imported by."""
    return sorted({package_of(path) for path in sources()})


def sources() -> list[str]:
    """Every Python file of the project, by the path that it is imported by."""
    return sorted(path for folder in FOLDERS for path in files_in(folder) if path.endswith(".py"))


def files_in(folder: str) -> list[str]:
    """All files below `folder`, through symlinks, but hidden and compiled ones."""
    found = []
    for path in sorted((ROOT / folder).iterdir()):
        name = f"{folder}/{path.name}"
        if path.is_file() and not path.name.startswith("."):
            found.append(name)
        elif path.is_dir() and not path.name.startswith((".", "__pycache__")):
            found += files_in(name)
    return found


def _is_test(path: str) -> bool:
    return pathlib.PurePath(path).name.startswith("test_")


@functools.cache
def package_of(path: str) -> str:
    """The innermost folder with code that a file is in: those that only hold data are part of it."""
    folders = [str(folder) for folder in pathlib.PurePath(path).parents][:-1]
    return next((folder for folder in folders if _has_code(folder)), folders[-1])


def _has_code(folder: str) -> bool:
    names = {path.name for path in (ROOT / folder).glob("*.py")}
    return bool(names - {"__init__.py"})


def _library(path: str) -> Target:
    deps = _labels(_imported_files(path), package_of(path)) | _requirements(path)
    return _target("python_library", path, deps)


def _test(path: str) -> Target:
    own = {f"//{package_of(file)}:{pathlib.PurePath(file).stem}" for file in TEST_SUPPORT}
    target = _target("python_test", path, labels_to_run(path) | _requirements(path))
    deps = tuple(dep for dep in target.deps if absolute(dep, target.package) not in own)
    reads_sources = _label("tests/build_targets", target.package) in deps
    return target._replace(
        deps=deps,
        data=("//:repository",) if reads_sources else (),
        tags=("manual",) if target.name in NEEDS_CHECKOUT else (),
    )


def _command(path: str) -> Target:
    """A command, in the BUILD file at the top."""
    deps = labels_to_run(path, package="") | _requirements(path)
    return _target("python_command", path, deps)._replace(package="")


def _group_by_name(path: str) -> Target:
    """A file with the modules that it names, and what else running them reaches."""
    package = package_of(path)
    deps = _labels({path, *_named_files(path)}, package) | _group_labels(
        _groups_below(path), package
    )
    target = _target("python_group", path, deps)
    return target._replace(name=target.name + BY_NAME)


def _has_group(path: str) -> bool:
    """Whether a file that others import names modules besides itself; a test needs what it names anyway."""
    return not _is_test(path) and bool(_named_files(path) - {path})


def _target(kind: str, path: str, deps: set[str]) -> Target:
    package = package_of(path)
    name = pathlib.PurePath(path).relative_to(package).with_suffix("")
    return Target(kind, package, str(name), tuple(sorted(deps, key=_order)))


def _requirements(path: str) -> set[str]:
    """Labels of the distributions that a file imports."""
    others = {module.split(".")[0] for module in imports(path) if not _is_own(module)}
    names = others - set(sys.stdlib_module_names)
    return {REQUIREMENTS + DISTRIBUTIONS.get(name, name) for name in names}


def _labels(paths, package: str) -> set[str]:
    """Labels of files' libraries, as they are written in `package`."""
    return {_label(path, package).removesuffix(".py") for path in paths}


def absolute(label: str, package: str) -> str:
    """The label as it is written elsewhere."""
    return f"//{package}{label}" if label.startswith(":") else label


def _label(path: str, package: str) -> str:
    """The label of a file, as it is written in `package`."""
    own = package_of(path)
    name = path.removeprefix(f"{own}/")
    return f":{name}" if own == package else f"//{own}:{name}"


def _order(label: str) -> tuple[int, str]:
    """Labels of the same package come first, requirements last."""
    return (":/@".index(label[0]), label)


def labels_to_run(path: str, package: str | None = None) -> set[str]:
    """Labels of what a command or test imports and names, and of what else running it reaches.

    Args:
        path: file of the command or test.
        package: package that the labels are written in; the file's own when None.
    """
    package = package_of(path) if package is None else package
    groups = {file for file in reached_files(path) if _has_group(file)}
    groups -= set().union(*map(_groups_below, groups))
    files = _imported_files(path) | _named_files(path) - {path}
    return _labels(files - groups, package) | _group_labels(groups, package)


@functools.cache
def _groups_below(path: str) -> frozenset[str]:
    """Files with groups that running a file may import, and that do not lead back to it."""
    groups = {file for file in reached_files(path) - {path} if _has_group(file)}
    return frozenset(file for file in groups if path not in reached_files(file))


def _group_labels(paths, package: str) -> set[str]:
    return {label + BY_NAME for label in _labels(paths, package)}


@functools.cache
def reached_files(path: str) -> set[str]:
    """Own files that running a command or test may import; itself among them."""
    start = (path, *TEST_SUPPORT) if _is_test(path) else (path,)
    return closure(
        start, lambda file: _imported_files(file) | _named_files(file) | _initializers(file)
    )


def closure(paths: tuple[str, ...], neighbours) -> set[str]:
    """All files that `neighbours` leads to from `paths`, these included."""
    found, rest = set(), list(paths)
    while rest:
        path = rest.pop()
        if path not in found:
            found.add(path)
            rest += neighbours(path)
    return found


@functools.cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _nodes(node: ast.AST):
    """Nodes below `node`, except those that only a type checker sees."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _nodes(child)


@functools.cache
def imports(path: str) -> frozenset[str]:
    """Modules that a file imports anywhere: of `from a import b` the module a.b, if b is one, else a."""
    modules = set()
    for node in _nodes(_tree(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                modules.add(inner if _file(inner) else node.module)
    return frozenset(modules)


def _is_own(module: str) -> bool:
    return module.split(".")[0] in FOLDERS


def _imported_files(path: str) -> set[str]:
    """Own files that a file imports."""
    return {_file(module) for module in imports(path) if _is_own(module)}


@functools.cache
def _named_files(path: str) -> frozenset[str]:
    """Own files that strings name: "a.b" names that module, f"a.b.{name}" all modules of that folder."""
    found = set()
    for node in ast.walk(_tree(path)):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _is_own(text) and "." in text:
            found |= set(_modules_in(text[:-1])) if text.endswith(".") else {_file(text)}
    return frozenset(path for path in found if path and not path.endswith("/__init__.py"))


def _modules_in(module: str) -> list[str]:
    folder = ROOT / module.replace(".", "/")
    paths = [str(path.relative_to(ROOT)) for path in folder.glob("*.py")]
    return [path for path in paths if not _is_test(path)]


def _initializers(path: str) -> set[str]:
    """`__init__.py` of the folders that a file is in.

    Those that only have a docstring are left out: Bazel puts empty ones where they are missing.
    """
    folders = [str(folder) for folder in pathlib.PurePath(path).parents][:-1]
    files = {_file(folder.replace("/", ".")) for folder in folders} - {None}
    return {file for file in files if len(_tree(file).body) > 1}


@functools.cache
def _file(module: str) -> str | None:
    """Path of an own module; None for any other."""
    base = module.replace(".", "/")
    for path in (f"{base}.py", f"{base}/__init__.py"):
        if (ROOT / path).is_file():
            return path
    return None
