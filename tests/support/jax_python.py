"""The Python with JAX that some tests run programs in: JAX is no dependency of the project's own."""

import os
import subprocess
import sys

import pytest

from benchmarks.hlo.package import INSTALL


def require_jax_python() -> str:
    """A Python that has JAX: the one that JAX_PYTHON names, else this one; skips the test without."""
    python = os.environ.get("JAX_PYTHON", sys.executable)
    done = subprocess.run(
        [python, "-c", "import flatbuffers, jax"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{python} has no JAX: {INSTALL}, or name a Python that has it in JAX_PYTHON")
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
