"""Ways of having the package: the repository itself, a wheel from elsewhere or from the root, editable."""

import ast
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tests import build_targets

ROOT = build_targets.ROOT
PROGRAM = """
import importlib.resources, importlib.util, pathlib
import tf_sintrovae
from tf_sintrovae import command, errors, flag_files
from tf_sintrovae.data import registry
spec = importlib.util.find_spec("tf_sintrovae.kernels.mixture")
assert spec is not None and pathlib.Path(spec.origin).is_file()
assert importlib.resources.files("tf_sintrovae.configs").joinpath("fmnist.flags").is_file()
assert importlib.resources.files("tf_sintrovae.configs").joinpath("sweeps/fmnist.json").is_file()
assert "--dataset=fashion_mnist" in flag_files.expand(["--preset=fmnist"])
print(tf_sintrovae.__file__)
"""


def run(arguments, cwd, path=()):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    env["PYTHONPATH"] = os.pathsep.join(map(str, path))
    done = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pip(*arguments, cwd):
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    return run([sys.executable, "-m", "pip", *arguments, *offline], cwd)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The files of the package in a folder of their own, so that building leaves nothing behind."""
    target = tmp_path_factory.mktemp("source")
    names = ["tf_sintrovae", "kernels", "configs", "setup.py", "pyproject.toml", "README.md"]
    run(["cp", "-a", *names, "LICENSE", str(target)], ROOT)
    return target


@pytest.fixture(scope="module")
def wheel(copy, tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    pip("wheel", ".", "--wheel-dir", str(target), cwd=copy)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with the wheel installed."""
    target = tmp_path_factory.mktemp("site")
    pip("install", str(wheel), "--target", str(target), cwd=target)
    return target


def imported_from(cwd, path=()) -> pathlib.Path:
    return pathlib.Path(run([sys.executable, "-c", PROGRAM], cwd, path).strip()).resolve()


def test_from_the_repositorys_root_without_installation():
    assert imported_from(ROOT).is_relative_to(ROOT)


def test_wheel_from_another_folder(site, tmp_path):
    assert imported_from(tmp_path, [site]).is_relative_to(site)


def test_kernels_of_the_wheel_are_imported(site, tmp_path):
    program = "from tf_sintrovae.kernels import mixture; print(mixture.__file__)"
    found = run([sys.executable, "-c", program], tmp_path, [site]).strip()
    assert pathlib.Path(found).resolve().is_relative_to(site)


def test_wheel_beside_the_repository(site):
    """From the root the repository's own files come first, and they work as well."""
    assert imported_from(ROOT, [site]).is_relative_to(ROOT)


def test_editable_installation(copy, tmp_path):
    site = tmp_path / "site"
    pip("install", "--editable", str(copy), "--target", str(site), cwd=tmp_path)
    program = f"import site; site.addsitedir({str(site)!r})\n" + PROGRAM
    # First on the path: this project may be installed for these tests as well, with a finder of that name.
    path = [site, *_library_paths()]
    found = run([sys.executable, "-S", "-c", program], tmp_path, path).strip()
    assert pathlib.Path(found).resolve().is_relative_to(copy)


def _library_paths():
    """Where the dependencies are; without .pth files, so without this project's own installation."""
    return [p for p in sys.path if p.endswith("site-packages")]


def test_wheel_holds_one_name_and_everything_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"tf_sintrovae"}
    expected = {path for path in build_targets.sources() if path.startswith("tf_sintrovae/")}
    expected |= {f"tf_sintrovae/configs/{p.name}" for p in (ROOT / "configs").glob("*.flags")}
    assert expected <= set(names)
    assert not [name for name in names if name.endswith("/BUILD")]


def test_wheel_from_the_source_distribution_is_the_same(copy, wheel, tmp_path):
    program = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    run([sys.executable, "-c", program], copy)
    (archive,) = tmp_path.glob("*.tar.gz")
    pip("wheel", str(archive), "--wheel-dir", str(tmp_path), cwd=tmp_path)
    (again,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_every_import_is_a_declared_dependency():
    text = (ROOT / "setup.py").read_text()
    declared = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    requirements = {
        label.removeprefix(build_targets.REQUIREMENTS).replace("_", "-")
        for target in build_targets.expected_targets().values()
        if target.package.startswith(("tf_sintrovae", "benchmarks"))
        for label in target.deps
        if label.startswith(build_targets.REQUIREMENTS)
    }
    assert "tensorflow-probability" in requirements
    for requirement in requirements:
        assert any(str(d).startswith((requirement + ">", requirement + "[")) for d in declared), (
            f"{requirement} is imported, but not in setup.py"
        )
