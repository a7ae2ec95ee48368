"""What the BUILD files must say, read off the sources' imports; `python -m tests.build_file` writes them.

Each folder with code has a BUILD file of its own; the one at the top holds the commands and the data of
tests. Nothing here depends on which folders there are.

A library depends on what its file imports. Modules that a file only names in a string (for importlib, or
after `python -m`) and the `__init__.py` of folders on the way may import that file back, which Bazel
refuses between libraries; they are dependencies of the commands and tests that reach them.
"""

import ast
import functools
import pathlib
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("tf_sintrovae", "benchmarks", "tests")
BINARIES = ("tf_sintrovae/main.py", "tf_sintrovae/evaluate.py", "tf_sintrovae/reproduce.py")
# A test file only defines functions: as its own main it would pass without running any.
RUNNER = "tests/run_file.py"
TEST_SUPPORT = (RUNNER, "tests/conftest.py")
# Sources that other files' targets compile: Bazel wants them declared.
EXPORTED = (*BINARIES, *TEST_SUPPORT)
# Tests of a checkout with its symlinks, which is not what Bazel shows a test.
NEEDS_CHECKOUT = ("test_packaging",)
# Import name -> distribution, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
    "tensorflow_probability": "tensorflow-probability",
    "tf_keras": "tf-keras",
}
TOP_HEADER = '''"""The commands, and what tests read; every folder of sources has a BUILD file of its own.

All are written by `make build-file` from the sources' imports; tests/test_build.py compares, and
`make bazel` builds them with Debian's Bazel 4.2. kernels/ is reached by the path that it is imported
by, the symlink in tf_sintrovae/: //tf_sintrovae/kernels.
"""
'''
HEADER = '"""A library a file, a test a test file; written by `make build-file`."""\n'
VISIBILITY = '\npackage(default_visibility = ["//visibility:public"])\n'
TOP_FILES = ("README.md", "configs/*.flags", "docs/**", "pyproject.toml")
# For the tests that read the sources: of the BUILD files themselves, and of what a wheel holds.
CHECKOUT_FILES = (".bazelignore", "BUILD", "LICENSE", "Makefile", "WORKSPACE", "setup.py")


class Target(NamedTuple):
    """One rule: `deps` (labels) and `requirements` (distributions), sorted, are its sources' imports."""

    rule: str
    package: str
    name: str
    srcs: tuple[str, ...]
    deps: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def label(self) -> str:
        """The target's name from anywhere."""
        return f"//{self.package}:{self.name}"


def expected_targets() -> dict[str, Target]:
    """All targets that the sources call for, by label."""
    targets = [_test(path) if _is_test(path) else _library(path) for path in sources()]
    targets += [_binary(path) for path in BINARIES if (ROOT / path).exists()]
    return {target.label: target for target in targets}


def packages() -> list[str]:
    """Every folder with a BUILD file besides the top, by the path that it is imported by."""
    return sorted({_package(path) for path in sources()})


def sources() -> list[str]:
    """Every Python file of the project, by the path that it is imported by."""
    return sorted(path for folder in FOLDERS for path in _files(folder) if path.endswith(".py"))


def _files(folder: str) -> list[str]:
    """All files below `folder`, through symlinks, but hidden and compiled ones."""
    found = []
    for path in sorted((ROOT / folder).iterdir()):
        name = f"{folder}/{path.name}"
        if path.is_file() and not path.name.startswith("."):
            found.append(name)
        elif path.is_dir() and not path.name.startswith((".", "__pycache__")):
            found += _files(name)
    return found


def _is_test(path: str) -> bool:
    return pathlib.PurePath(path).name.startswith("test_")


@functools.cache
def _package(path: str) -> str:
    """The innermost folder with code that a file is in: those that only hold data are part of it."""
    folders = [str(folder) for folder in pathlib.PurePath(path).parents][:-1]
    return next((folder for folder in folders if _has_code(folder)), folders[-1])


def _has_code(folder: str) -> bool:
    names = {path.name for path in (ROOT / folder).glob("*.py")}
    return bool(names - {"__init__.py"})


def _library(path: str) -> Target:
    return _target("py_library", _package(path), (path,), _imported_files(path))


def _test(path: str) -> Target:
    srcs = (path, *TEST_SUPPORT)
    return _target("py_test", _package(path), srcs, needed_to_run(srcs))


def _binary(path: str) -> Target:
    """A command, in the BUILD file at the top."""
    return _target("py_binary", "", (path,), needed_to_run((path,)))


def _target(rule: str, package: str, srcs: tuple[str, ...], files: set[str]) -> Target:
    modules = set().union(*(imports(source) for source in srcs))
    others = {m.split(".")[0] for m in modules if not _is_own(m)} - set(sys.stdlib_module_names)
    labels = (_label(file, package).removesuffix(".py") for file in files - set(srcs))
    name = pathlib.PurePath(srcs[0]).relative_to(_package(srcs[0])).with_suffix("")
    return Target(
        rule,
        package,
        str(name),
        tuple(_label(source, package).removeprefix(":") for source in srcs),
        tuple(sorted(labels, key=_order)),
        tuple(sorted(DISTRIBUTIONS.get(name, name) for name in others)),
    )


def _label(path: str, package: str) -> str:
    """The label of a file, as it is written in `package`."""
    own = _package(path)
    name = path.removeprefix(f"{own}/")
    return f":{name}" if own == package else f"//{own}:{name}"


def _order(label: str) -> tuple[bool, str]:
    """Labels of the same package come first."""
    return not label.startswith(":"), label


def needed_to_run(srcs: tuple[str, ...]) -> set[str]:
    """What `srcs` import, and what running them reaches besides that no library there depends on."""
    everything = _closure(
        srcs, lambda path: _imported_files(path) | _named_files(path) | _initializers(path)
    )
    besides = everything - _closure(srcs, _imported_files)
    below = {path: _closure((path,), _imported_files) - {path} for path in besides}
    return set().union(*map(_imported_files, srcs)) | besides.difference(*below.values())


def _closure(paths: tuple[str, ...], neighbours) -> set[str]:
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


def committed_files() -> dict[str, str]:
    """The BUILD files that there are: path -> text."""
    paths = [path for folder in FOLDERS for path in _files(folder) if path.endswith("/BUILD")]
    return {path: (ROOT / path).read_text() for path in ("BUILD", *paths)}


def parsed_targets(files: dict[str, str]) -> dict[str, Target]:
    """The targets of BUILD files (path -> text), by label."""
    targets = [
        _parsed_target(node, path.rpartition("/")[0])
        for path, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").startswith("py_")
    ]
    return {target.label: target for target in targets}


def _parsed_target(node: ast.Call, package: str) -> Target:
    values = {keyword.arg: keyword.value for keyword in node.keywords}
    deps = values["deps"].elts if "deps" in values else []
    labels = [d.value for d in deps if isinstance(d, ast.Constant)]
    requirements = [d.args[0].value for d in deps if isinstance(d, ast.Call)]
    return Target(
        node.func.id,
        package,
        values["name"].value,
        tuple(ast.literal_eval(values["srcs"])),
        tuple(sorted(labels, key=_order)),
        tuple(sorted(requirements)),
    )


def build_files(targets: dict[str, Target]) -> dict[str, str]:
    """The BUILD files: path -> text."""
    files = {"BUILD": _rendered_package("", TOP_HEADER, _top_groups(), targets)}
    for package in packages():
        rest = _exports(package) + _groups(package)
        files[f"{package}/BUILD"] = _rendered_package(package, HEADER, rest, targets)
    return files


def _rendered_package(package: str, header: str, rest: str, targets: dict[str, Target]) -> str:
    own = [target for target in targets.values() if target.package == package]
    return header + _loads(own) + VISIBILITY + rest + "".join(map(_rule, own))


def _loads(targets: list[Target]) -> str:
    rules = ", ".join(f'"{rule}"' for rule in sorted({target.rule for target in targets}))
    lines = [f'load("@rules_python//python:defs.bzl", {rules})\n'] if rules else []
    if any(target.requirements for target in targets):
        lines.insert(0, 'load("@pypi//:requirements.bzl", "requirement")\n')
    return "".join(["\n", *lines]) if lines else ""


def _exports(package: str) -> str:
    names = [pathlib.PurePath(path).name for path in EXPORTED if _package(path) == package]
    names = sorted(name for name in names if (ROOT / package / name).exists())
    return f"\nexports_files({_list(map(_quoted, names), 0)})\n" if names else ""


def _top_groups() -> str:
    data = [f"//{package}:data" for package in packages() if _data_patterns(package)]
    checkout = [f"//{package}:sources" for package in packages()]
    return _group("data", TOP_FILES, data) + _group("repository", CHECKOUT_FILES, checkout)


def _groups(package: str) -> str:
    """The groups of files that those at the top are made of."""
    data = _data_patterns(package)
    sources = [pattern for pattern in _patterns(package) if pattern.endswith("*.py")]
    return (_group("data", data) if data else "") + _group("sources", [*sources, "BUILD"])


def _data_patterns(package: str) -> list[str]:
    return [pattern for pattern in _patterns(package) if not pattern.endswith("*.py")]


def _patterns(package: str) -> list[str]:
    """Patterns of a package's files by suffix; BUILD and a program that Bazel made have none."""
    paths = [path for path in _files(package) if _package(path) == package]
    paths = [pathlib.PurePath(path).relative_to(package) for path in paths]
    return sorted({str(path.with_name(f"*{path.suffix}")) for path in paths if path.suffix})


def _group(name: str, patterns, groups: list[str] = ()) -> str:
    srcs = f"glob({_list(map(_quoted, patterns), 1)})"
    if groups:
        srcs += f" + {_list(map(_quoted, groups), 1)}"
    return f'\nfilegroup(\n    name = "{name}",\n    srcs = {srcs},\n)\n'


def _rule(target: Target) -> str:
    deps = [*map(_quoted, target.deps), *(f'requirement("{r}")' for r in target.requirements)]
    attributes = {"name": _quoted(target.name), "srcs": _list(map(_quoted, target.srcs), 1)}
    if target.rule == "py_binary":
        data = [f"//{p}:data" for p in packages() if p.startswith(FOLDERS[0]) and _data_patterns(p)]
        attributes["data"] = _list(map(_quoted, data), 1)
        attributes["main"] = _quoted(target.srcs[0])
    if target.rule == "py_test":
        attributes |= _test_attributes(target)
    if deps:
        attributes["deps"] = _list(deps, 1)
    lines = [f"    {name} = {value}," for name, value in attributes.items()]
    return "\n".join([f"\n{target.rule}(", *lines, ")\n"])


def _test_attributes(target: Target) -> dict[str, str]:
    generator = _label("tests/build_file", target.package)
    data = ["//:data", "//:repository"] if generator in target.deps else ["//:data"]
    attributes = {
        "args": _list([_quoted(f"{target.package}/{target.srcs[0]}")], 1),
        "data": _list(map(_quoted, data), 1),
        "main": _quoted(_label(RUNNER, target.package).removeprefix(":")),
    }
    if target.name in NEEDS_CHECKOUT:
        attributes["tags"] = '["manual"]'
    return attributes


def _quoted(text: str) -> str:
    return f'"{text}"'


def _list(items, depth: int) -> str:
    """A list in one line, or of several items one a line, indented by `depth`."""
    items = list(items)
    if len(items) < 2:
        return f"[{''.join(items)}]"
    indent = "    " * depth
    return "\n".join(["[", *(f"{indent}    {item}," for item in items), f"{indent}]"])


def write() -> None:
    """Writes the BUILD files; one in a folder without sources is removed."""
    files = build_files(expected_targets())
    for stale in set(committed_files()) - set(files):
        (ROOT / stale).unlink()
    for path, text in files.items():
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    write()
