"""The Python with JAX that some tests run programs in: JAX is no dependency of the project's own."""

import os
import subprocess
import sys

import pytest

from benchmarks.hlo.package import INSTALL


def require_jax_python(*modules: str) -> str:
    """A Python that has JAX: the one that JAX_PYTHON names, else this one; skips the test without.

    Args:
        modules: names of further modules that it must have.
    """
    python = os.environ.get("JAX_PYTHON", sys.executable)
    names = ", ".join(["flatbuffers", "jax", *modules])
    done = subprocess.run([python, "-c", f"import {names}"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(
            f"{python} lacks one of {names}: {INSTALL}, or name one that has them in JAX_PYTHON"
        )
    return python


def run_alone(python: str, *arguments: str, cwd: str | os.PathLike) -> subprocess.CompletedProcess:
    """Runs a Python module in a folder that holds it, without this project on the path."""
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"JAX_PLATFORMS": "cpu", "TORCH_COMPILE_DISABLE": "1"}
    return subprocess.run(
        [python, "-m", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
