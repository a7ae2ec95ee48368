"""Writes the folder of an export (`benchmarks.hlo.bundle`) and has JAX convert its programs."""

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks import harness
from benchmarks.hlo.bundle import program_path
from benchmarks.hlo.programs import Program
from tf_sintrovae.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]
INSTALL = "pip install -e '.[gpu-bench]'"


def require_jax(python: str) -> None:
    """Asks whether a Python has JAX.

    Raises:
        UserError: it has not.
    """
    done = subprocess.run(
        [python, "-c", "import flatbuffers, jax"], capture_output=True, check=False
    )
    if done.returncode:
        raise UserError(
            f"{python} has no JAX, which converts the programs: {INSTALL}, or name another Python that has "
            "it with --jax_python"
        )


def open_folder(root: pathlib.Path) -> None:
    """Makes the folder of an export afresh; what an earlier export left there, complete or not, goes.

    Raises:
        UserError: the folder holds something else.
    """
    if root.exists() and any(root.iterdir()) and not (root / "programs").is_dir():
        raise UserError(f"{root} is not empty, and is no export: give another --output")
    shutil.rmtree(root, ignore_errors=True)
    for name in ("programs", "states"):
        (root / name).mkdir(parents=True)


def close_folder(
    root: pathlib.Path, meta: Mapping[str, Any], programs: Mapping[str, Program], python: str
) -> None:
    """Writes programs and `meta.json`, and has the programs converted.

    Args:
        root: folder of the export.
        meta: what `meta.json` tells besides the programs.
        programs: the programs by name.
        python: a Python that has JAX.
    """
    for name, program in programs.items():
        program_path(root, name, "hlo").write_bytes(program.hlo)
    named = {
        name: {"inputs": p.inputs, "values": p.values, "updates": p.updates}
        for name, p in programs.items()
    }
    harness.write_json(str(root / "meta.json"), {**meta, "programs": named})
    subprocess.run(
        [python, "-m", "benchmarks.hlo.convert", str(root.resolve())], cwd=ROOT, check=True
    )


def copy_code(root: pathlib.Path) -> None:
    """Copies the benchmarks, so that the folder runs by itself."""
    ignored = shutil.ignore_patterns("__pycache__", "BUILD")
    shutil.copytree(ROOT / "benchmarks", root / "benchmarks", ignore=ignored, dirs_exist_ok=True)


def default_python() -> str:
    """The Python that runs this."""
    return sys.executable
