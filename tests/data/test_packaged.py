"""Data sets that the system's packages brought: where they are looked for, and what is said of them."""

import gzip
import logging
import pathlib

import numpy as np
import pytest

from tests.data import samples
from tf_sintrovae.data import packaged, registry
from tf_sintrovae.data.formats import archives, gzipped, prepared
from tf_sintrovae.errors import UserError

IMAGES, LABELS, *_ = samples.IDX_NAMES


@pytest.fixture
def system(tmp_path, monkeypatch):
    """The system's folder of Fashion-MNIST with 30 training images, and no network."""
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'other'}:{tmp_path / 'usr'}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "usual"))
    monkeypatch.setattr(prepared, "download", refuse)
    folder = tmp_path / "usr" / "datasets" / "fashion-mnist"
    samples.write_idx(folder, 30, 20)
    return folder


def refuse(name, folder):
    raise UserError(f"{name} cannot be downloaded (no route to host)")


def compress_anew(folder):
    """Compresses all files by another level: other bytes, the same content."""
    for file in samples.IDX_NAMES:
        data = (folder / file).read_bytes()
        (folder / file).write_bytes(gzip.compress(gzip.decompress(data), compresslevel=9))
        assert (folder / file).read_bytes() != data


@pytest.fixture
def published(system, monkeypatch):
    """The system's files become the published ones of Fashion-MNIST, compressed anew."""
    hashes = {file: archives.sha256(system / file) for file in samples.IDX_NAMES}
    contents = {}
    for file in samples.IDX_NAMES:
        content = system / "content"
        content.write_bytes(gzipped.read(system / file, 2**20))
        contents[file] = archives.sha256(content)
    read = archives.ARCHIVES["fashion_mnist"][0].read
    archive = archives.Archive(hashes, read, contents)
    monkeypatch.setitem(archives.ARCHIVES, "fashion_mnist", (archive,))
    compress_anew(system)
    return system


@pytest.mark.parametrize("variable", [None, ""])
def test_the_usual_folders_are_those_of_the_system(monkeypatch, variable):
    if variable is None:
        monkeypatch.delenv("XDG_DATA_DIRS")
    else:
        monkeypatch.setenv("XDG_DATA_DIRS", variable)
    shared = [pathlib.Path("/usr/local/share/datasets"), pathlib.Path("/usr/share/datasets")]
    assert list(packaged.folders("fashion_mnist")) == [d / "fashion-mnist" for d in shared]
    assert list(packaged.folders("mnist")) == [d / "mnist" for d in shared]


def test_the_environment_names_others_of_which_relative_ones_are_ignored(monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", "/b:a:/c/")
    assert list(map(str, packaged.folders("mnist"))) == ["/b/datasets/mnist", "/c/datasets/mnist"]


@pytest.mark.parametrize("given", [True, False], ids=["data_dir", "no-data_dir"])
def test_the_systems_files_are_used_before_a_download_and_named(system, tmp_path, caplog, given):
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    source = registry.load("fmnist", tmp_path / "empty" if given else None)
    assert source.num_train == 30
    assert f"original archives {IMAGES}" in caplog.messages[0]
    assert caplog.messages[0].endswith(f" in {system}")


def test_mnist_has_a_folder_of_its_own(system, tmp_path):
    with pytest.raises(UserError, match="mnist cannot be downloaded"):
        registry.load("mnist", tmp_path / "empty")
    samples.write_idx(system.parent / "mnist", 25, 20)
    assert registry.load("mnist", tmp_path / "empty").num_train == 25


@pytest.mark.parametrize("place", ["mine", "mine/fashion_mnist", "mine/fmnist", "usual"])
def test_files_of_the_users_come_first(system, tmp_path, caplog, place):
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    samples.write_idx(tmp_path / place, 12, 10)
    data_dir = None if place == "usual" else tmp_path / "mine"
    assert registry.load("fmnist", data_dir).num_train == 12
    assert caplog.messages[0].endswith(f" in {tmp_path / place}")


def test_an_incomplete_folder_of_the_users_is_not_passed_over(system, tmp_path):
    samples.write_idx(tmp_path / "mine", 12, 10)
    (tmp_path / "mine" / LABELS).unlink()
    with pytest.raises(UserError, match=f"mine: fashion_mnist is incomplete, add {LABELS}"):
        registry.load("fmnist", tmp_path / "mine")


def test_the_published_content_compressed_anew_is_no_other(published, tmp_path, caplog):
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    registry.load("fmnist", tmp_path)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_file_of_other_content_alone_is_told(published, tmp_path, caplog):
    y = np.zeros(30, np.uint8)
    (published / LABELS).write_bytes(gzip.compress(samples.idx_bytes(y)))
    registry.load("fmnist", tmp_path)
    (warning,) = (r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING)
    assert warning.startswith(f"{published}: {LABELS} differs from the published fashion_mnist")


def test_without_data_and_network_the_package_and_all_folders_are_named(
    system, tmp_path, caplog, monkeypatch
):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "none"))
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    with pytest.raises(
        UserError, match=r"Debian.* apt-get install dataset-fashion-mnist; "
    ) as error:
        registry.load("fmnist", tmp_path)
    assert "\n" not in str(error.value) and f"{tmp_path / 'fashion_mnist'}" in str(error.value)
    system_folder = tmp_path / "none" / "datasets" / "fashion-mnist"
    assert caplog.messages == [
        f"fashion_mnist: not in {tmp_path} or {system_folder}, asking TFDS to download it"
    ]


@pytest.mark.parametrize("name", ["mnist", "cifar10", "horses_or_humans"])
def test_no_package_is_named_where_none_is_known(system, tmp_path, name):
    with pytest.raises(UserError) as error:
        registry.load(name, tmp_path)
    assert "apt-get" not in str(error.value)
