"""The macros that the BUILD files are made of: what all targets of a kind share stands here once.

A target is named after its one file, and `deps` are that file's imports. All targets are public.
"""

load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

PUBLIC = ["//visibility:public"]

# Collects and runs the tests of a file, which as its own main would define functions and pass.
RUNNER = "//tests:run_file"
SETTINGS = "//tests:conftest"

def file_group(name, items):
    """A group of the package's files that match patterns, and of other packages' groups."""
    patterns = [item for item in items if not item.startswith("//")]
    groups = [item for item in items if item.startswith("//")]
    native.filegroup(name = name, srcs = native.glob(patterns) + groups, visibility = PUBLIC)

def python_sources():
    """The group of a package's sources, for the tests that read them."""
    file_group("sources", ["**/*.py", "BUILD"])

def python_library(name, deps = []):
    """The library of NAME.py."""
    py_library(name = name, srcs = [name + ".py"], deps = deps, visibility = PUBLIC)

def python_group(name, deps):
    """A library without a file: `deps` for those who need all of them."""
    py_library(name = name, deps = deps, visibility = PUBLIC)

def python_command(name, deps):
    """The program of tf_sintrovae/NAME.py."""
    main = "//tf_sintrovae:" + name + ".py"
    py_binary(
        name = name,
        srcs = [main],
        main = main,
        data = ["//tf_sintrovae:data"],
        deps = deps,
        visibility = PUBLIC,
    )

def python_test(name, deps = [], data = [], tags = []):
    """Runs the tests of NAME.py under pytest; `data` are files besides those that all tests may read."""
    main = RUNNER + ".py"
    py_test(
        name = name,
        srcs = [name + ".py", main],
        main = main,
        args = [native.package_name() + "/" + name + ".py"],
        data = ["//:data"] + data,
        tags = tags,
        deps = [RUNNER, SETTINGS] + deps,
    )
