"""Every public function and method says the types of all its arguments and of what it returns.

A type checker cannot tell public functions from private ones; what it checks is in pyproject.toml.
"""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "tf_sintrovae"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def unannotated_functions(node, prefix=""):
    """Public functions, and methods of public classes, whose types are not all said."""
    for child in ast.iter_child_nodes(node):
        name = getattr(child, "name", "")
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(child, ast.ClassDef):
            yield from unannotated_functions(child, f"{name}.")
        if isinstance(child, FUNCTIONS) and not is_annotated(child, method=bool(prefix)):
            yield f"{prefix}{name}"


def is_annotated(function, method):
    every = function.args
    positional = [*every.posonlyargs, *every.args]
    is_static = any(getattr(each, "id", "") == "staticmethod" for each in function.decorator_list)
    if method and not is_static:
        positional = positional[1:]  # self or cls
    arguments = [*positional, *every.kwonlyargs, every.vararg, every.kwarg]
    return function.returns is not None and all(a.annotation for a in arguments if a is not None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_functions_are_annotated(path):
    assert not list(unannotated_functions(ast.parse(path.read_text())))


def test_a_missing_annotation_is_found():
    code = "def f(x: int): ...\nclass C:\n def g(self, *args) -> int: ...\n def h(self) -> int: ..."
    assert list(unannotated_functions(ast.parse(code))) == ["f", "C.g"]
