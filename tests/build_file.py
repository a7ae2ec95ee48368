"""The BUILD files, made of the targets of `build_targets`; `python -m tests.build_file` writes them.

Each folder with code has a BUILD file of its own; the one at the top holds the commands and the data of
tests.
"""

import ast
import pathlib
import textwrap

from tests.build_targets import (
    BINARIES,
    FOLDERS,
    ROOT,
    RUNNER,
    Target,
    expected_targets,
    files_in,
    package_of,
    packages,
)

# Sources that other packages' targets compile: Bazel wants them declared.
EXPORTED = (*BINARIES, RUNNER)
TOP_HEADER = '''"""The commands, and what tests read; every folder of sources has a BUILD file of its own.

All are written by `make build-file` from the sources' imports, as calls of the macros of targets.bzl;
tests/test_build.py compares, and `make bazel` builds them with Debian's Bazel 4.2. kernels/ is reached
by the path that it is imported by, the symlink in tf_sintrovae/: //tf_sintrovae/kernels.
"""
'''
HEADER = '"""A library a file, a test a test file; written by `make build-file`."""\n'
KINDS = ("python_command", "python_group", "python_library", "python_test")
LINE_LENGTH = 100
INDENT = "    "
TOP_FILES = ("README.md", "configs/*.flags", "docs/**", "pyproject.toml")
# For the tests that read the sources: of the BUILD files themselves, and of what a wheel holds.
CHECKOUT_FILES = (
    ".bazelignore",
    "BUILD",
    "LICENSE",
    "Makefile",
    "WORKSPACE",
    "setup.py",
    "targets.bzl",
)


def committed_files() -> dict[str, str]:
    """The BUILD files that there are: path -> text."""
    paths = [path for folder in FOLDERS for path in files_in(folder) if path.endswith("/BUILD")]
    return {path: (ROOT / path).read_text() for path in ("BUILD", *paths)}


def parse_targets(files: dict[str, str]) -> dict[str, Target]:
    """The targets of BUILD files (path -> text), by label."""
    targets = [
        _parse_target(node, path.rpartition("/")[0])
        for path, text in files.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS
    ]
    return {target.label: target for target in targets}


def _parse_target(node: ast.Call, package: str) -> Target:
    name, *deps = map(ast.literal_eval, node.args)
    others = {keyword.arg: tuple(ast.literal_eval(keyword.value)) for keyword in node.keywords}
    return Target(node.func.id, package, name, tuple(*deps), **others)


def build_files(targets: dict[str, Target]) -> dict[str, str]:
    """The BUILD files: path -> text."""
    files = {"BUILD": _render_package("", TOP_HEADER, _top_groups(), targets)}
    for package in packages():
        rest = _exports(package) + _groups(package)
        files[f"{package}/BUILD"] = _render_package(package, HEADER, rest, targets)
    return files


def _render_package(package: str, header: str, rest: str, targets: dict[str, Target]) -> str:
    own = [target for target in targets.values() if target.package == package]
    return header + _load(own, package) + rest + "".join(map(_target_call, own))


def _load(targets: list[Target], package: str) -> str:
    data = {"file_group"} if not package or _data_patterns(package) else set()
    sources = {"python_sources"} if package else set()
    macros = {target.kind for target in targets} | data | sources
    return f'\nload("//:targets.bzl", {_quote(sorted(macros))})\n'


def _exports(package: str) -> str:
    names = [pathlib.PurePath(path).name for path in EXPORTED if package_of(path) == package]
    names = sorted(name for name in names if (ROOT / package / name).exists())
    return f"\nexports_files([{_quote(names)}])\n" if names else ""


def _top_groups() -> str:
    data = [f"//{package}:data" for package in packages() if _data_patterns(package)]
    checkout = [f"//{package}:sources" for package in packages()]
    return _call("file_group", "data", (*TOP_FILES, *data)) + _call(
        "file_group", "repository", (*CHECKOUT_FILES, *checkout)
    )


def _groups(package: str) -> str:
    """The groups of files that those at the top are made of."""
    data = _data_patterns(package)
    return (_call("file_group", "data", data) if data else "") + "\npython_sources()\n"


def _data_patterns(package: str) -> list[str]:
    return [pattern for pattern in _patterns(package) if not pattern.endswith("*.py")]


def _patterns(package: str) -> list[str]:
    """Patterns of a package's files by suffix; BUILD and a program that Bazel made have none."""
    paths = [path for path in files_in(package) if package_of(path) == package]
    paths = [pathlib.PurePath(path).relative_to(package) for path in paths]
    return sorted({str(path.with_name(f"*{path.suffix}")) for path in paths if path.suffix})


def _target_call(target: Target) -> str:
    return _call(target.kind, target.name, target.deps, data=target.data, tags=target.tags)


def _call(macro: str, name: str, items, **others) -> str:
    """The call of a macro with a list, broken only where it would be too long for a line."""
    lists = {key: f"{key} = [{_quote(values)}]" for key, values in others.items() if values}
    text = _quote(items)
    line = ", ".join([f'"{name}"', *([f"[{text}]"] if text else []), *lists.values()])
    if len(f"{macro}({line})") <= LINE_LENGTH:
        return f"\n{macro}({line})\n"
    rest = "".join(f", {argument}" for argument in lists.values())
    return f'\n{macro}("{name}", [\n{_fill(text)}\n]{rest})\n'


def _fill(items: str) -> str:
    """Items of a list over several lines."""
    width = LINE_LENGTH - len(INDENT)
    lines = textwrap.wrap(f"{items},", width, break_on_hyphens=False, break_long_words=False)
    return textwrap.indent("\n".join(lines), INDENT)


def _quote(names) -> str:
    return ", ".join(f'"{name}"' for name in names)


def write() -> None:
    """Writes the BUILD files; one in a folder without sources is removed."""
    files = build_files(expected_targets())
    for stale in set(committed_files()) - set(files):
        (ROOT / stale).unlink()
    for path, text in files.items():
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    write()
