"""Original archives, whole and damaged, through the loader that the commands use."""

import gzip
import logging
import pickle
import struct

import numpy as np
import pytest
import scipy.io

from tests.data import samples
from tf_sintrovae.data import names, registry
from tf_sintrovae.data.formats import archives
from tf_sintrovae.errors import UserError

LABELS = samples.IDX_NAMES[1]
IMAGES = samples.IDX_NAMES[0]


def assert_holds(source, train, test):
    for split, (x, y) in (("train", train), ("test", test)):
        examples = source.examples(split)
        np.testing.assert_allclose(examples.x, x.reshape(-1, *source.shape) / 255.0, rtol=1e-6)
        np.testing.assert_array_equal(examples.y, y)
    assert source.num_classes == len(source.class_names) == 10


@pytest.mark.parametrize("name", ["mnist", "fmnist"])
@pytest.mark.parametrize("sub", ["", "NAME", "CANONICAL"])
def test_idx(tmp_path, name, sub):
    folder = tmp_path / {"": "", "NAME": name, "CANONICAL": names.canonical(name)}[sub]
    train, test = samples.write_idx(folder, 30, 20)
    source = registry.load(name, tmp_path)
    assert source.shape == (28, 28, 1) and source.num_train == 30
    assert source.name == names.canonical(name)
    assert_holds(source, train, test)


def test_class_names_of_fashion_mnist(tmp_path):
    samples.write_idx(tmp_path, 10, 10)
    assert registry.load("fmnist", tmp_path).class_names[::9] == ("T-shirt/top", "Ankle boot")


@pytest.mark.parametrize(
    "write",
    [
        samples.write_cifar_binary,
        samples.write_cifar_python,
        lambda folder, n: samples.write_cifar_python(folder, n, samples.python3_pickle),
    ],
    ids=["binary", "python2", "python3"],
)
def test_cifar10(tmp_path, write):
    batches = list(write(tmp_path, 7).values())
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    x = x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    source = registry.load("cifar10", tmp_path)
    assert source.shape == (32, 32, 3) and source.class_names[3] == "cat"
    assert_holds(source, (x[:35], y[:35]), (x[35:], y[35:]))


def test_svhn(tmp_path):
    train, test = samples.write_svhn(tmp_path / "svhn_cropped", 25, 12)
    source = registry.load("svhn_cropped", tmp_path)
    assert source.shape == (32, 32, 3)
    assert_holds(source, train, test)


def test_image_size_resizes(tmp_path):
    samples.write_idx(tmp_path, 12, 10)
    source = registry.load("mnist", tmp_path, image_size=16)
    assert source.shape == (16, 16, 1) and source.examples("test").x.shape == (10, 16, 16, 1)


def test_files_of_ones_own_are_one_warning_line_and_published_ones_none(
    tmp_path, caplog, monkeypatch
):
    samples.write_idx(tmp_path, 12, 10)
    caplog.set_level(logging.INFO, "tf_sintrovae.data")
    registry.load("mnist", tmp_path)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "WARNING"]
    assert str(tmp_path) in caplog.messages[0] and IMAGES in caplog.messages[0]
    assert "differ from the published mnist" in caplog.messages[1]

    archive = archives.ARCHIVES["mnist"][0]
    hashes = {file: archives.sha256(tmp_path / file) for file in archive.sha256}
    monkeypatch.setitem(archives.ARCHIVES, "mnist", (archives.Archive(hashes, archive.read),))
    caplog.clear()
    registry.load("mnist", tmp_path)
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_missing_file_is_named(tmp_path):
    samples.write_idx(tmp_path / "mnist", 12, 10)
    (tmp_path / "mnist" / LABELS).unlink()
    with pytest.raises(UserError, match=f"incomplete, add {LABELS}"):
        registry.load("mnist", tmp_path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def not_gzip(path):
    path.write_bytes(b"<html>404 Not Found</html>")


def flip_a_bit(path):
    """Changes one stored byte and leaves gzip's checksum as it was."""
    data = gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def rewritten(change):
    def damage(path):
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    return damage


def header(*dims):
    return bytes([0, 0, 8, len(dims)]) + struct.pack(f">{len(dims)}I", *dims)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (IMAGES, truncate, "truncated or damaged"),
        (IMAGES, not_gzip, "not a gzip file"),
        (IMAGES, lambda path: path.write_bytes(b""), "starts with bytes"),
        (IMAGES, flip_a_bit, "CRC check failed"),
        (LABELS, flip_a_bit, "CRC check failed"),
        (IMAGES, rewritten(lambda d: b"\x00\x00\x0d" + d[3:]), "00 00 0d 03, expected 00 00 08 03"),
        (IMAGES, rewritten(lambda d: header(30) + d[16:]), "00 00 08 01, expected 00 00 08 03"),
        (LABELS, rewritten(lambda d: header(30, 1, 1) + d[8:]), "expected 00 00 08 01"),
        (IMAGES, rewritten(lambda d: d[:10]), "starts with bytes 00 00 08 03"),
        (IMAGES, rewritten(lambda d: d[:-1]), "holds 23519 bytes.*promises 23520"),
        (IMAGES, rewritten(lambda d: d + b"\x00"), "holds 23521 bytes"),
        (IMAGES, rewritten(lambda d: header(2**31, 2**31, 28) + d[16:]), "promises 129127208515"),
        (IMAGES, rewritten(lambda d: header(0, 28, 28)), "holds no data"),
        (LABELS, rewritten(lambda d: header(29) + d[9:]), "29 labels for the 30 images"),
        (LABELS, rewritten(lambda d: d[:-1] + b"\x0a"), "label 10, expected 0 to 9"),
    ],
)
def test_damaged_idx_is_named_with_what_is_wrong(tmp_path, file, damage, message):
    samples.write_idx(tmp_path, 30, 20)
    damage(tmp_path / file)
    with pytest.raises(UserError, match=message) as caught:
        registry.load("mnist", tmp_path)
    assert file in str(caught.value) and "\n" not in str(caught.value)


def test_training_and_test_images_of_different_sizes(tmp_path):
    samples.write_idx(tmp_path, 30, 20)
    small = samples.images(20, (14, 14))[0]
    (tmp_path / samples.IDX_NAMES[2]).write_bytes(gzip.compress(samples.idx_bytes(small)))
    with pytest.raises(UserError, match=r"\(14, 14, 1\), the training images have \(28, 28, 1\)"):
        registry.load("mnist", tmp_path)


BINARY = "cifar-10-binary.tar.gz"


def binary_members(n=3):
    return {
        f"{name}.bin": np.concatenate([y[:, None], x], 1).tobytes()
        for name, (x, y) in samples.cifar_batches(n).items()
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("data_batch_3.bin"), "has no member data_batch_3.bin"),
        (
            lambda m: m.update({"test_batch.bin": m["test_batch.bin"][:-1]}),
            "test_batch.bin: 9218 b",
        ),
        (lambda m: m.update({"test_batch.bin": b""}), "test_batch.bin: 0 bytes"),
        (
            lambda m: m.update({"data_batch_1.bin": b"\x0b" + m["data_batch_1.bin"][1:]}),
            r"data_batch_1.bin: labels \[ ?1 +2 +11\], expected 0 to 9",
        ),
    ],
)
def test_damaged_binary_cifar(tmp_path, change, message):
    members = binary_members()
    change(members)
    samples.write_tar(tmp_path / BINARY, members)
    with pytest.raises(UserError, match=message) as caught:
        registry.load("cifar10", tmp_path)
    assert BINARY in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "truncated or damaged"),
        (not_gzip, "not a gzip file"),
        (flip_a_bit, "CRC check failed"),
        (rewritten(lambda d: b"\x01" * 2000), "damaged tar archive"),
        (rewritten(lambda d: d[:5000]), "damaged tar archive"),
    ],
)
def test_damaged_tar(tmp_path, damage, message):
    samples.write_tar(tmp_path / BINARY, binary_members())
    damage(tmp_path / BINARY)
    with pytest.raises(UserError, match=message):
        registry.load("cifar10", tmp_path)


class Exploit:
    """What unpickling would call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    payload = pickle.dumps({"data": Exploit(exec, f"open({str(trace)!r}, 'w')")}, protocol)
    samples.write_cifar_python(tmp_path, 3, lambda x, y: payload)
    with pytest.raises(UserError, match=r"data_batch_1: its pickle asks for \w+.exec"):
        registry.load("cifar10", tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("dump", "message"),
    [
        (lambda x, y: samples.python2_pickle(x, y)[:-40], "damaged pickle"),
        (lambda x, y: b"no pickle", "damaged pickle"),
        (lambda x, y: pickle.dumps([1, 2]), "expected 'data' of uint8"),
        (lambda x, y: samples.python3_pickle(x.astype(float), y), "expected 'data' of uint8"),
        (lambda x, y: samples.python3_pickle(x[:, :-1], y), r"uint8 \[N, 3072\]"),
        (lambda x, y: samples.python3_pickle(x, y[1:]), r"labels of shape \(2,\).*for 3 images"),
        (lambda x, y: samples.python3_pickle(x, y.astype(int) - 1), "labels.*expected 0 to 9"),
        (lambda x, y: samples.python3_pickle(x, y + 0.5), "labels that are not all integers"),
    ],
)
def test_damaged_python_cifar(tmp_path, dump, message):
    samples.write_cifar_python(tmp_path, 3, dump)
    with pytest.raises(UserError, match=message) as caught:
        registry.load("cifar10", tmp_path)
    assert "cifar-10-python.tar.gz" in str(caught.value)


def mat(**content):
    return lambda path: scipy.io.savemat(path, content)


X, Y = np.zeros((32, 32, 3, 2), np.uint8), np.ones((2, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "damaged MATLAB file"),
        (lambda path: path.write_bytes(b"no"), "damaged MATLAB file"),
        (mat(X=X), "no variables X and y"),
        (mat(X=X.astype(float), y=Y), r"X is float64 \[32, 32, 3, 2\], expected uint8"),
        (mat(X=X[:16], y=Y), r"X is uint8 \[16, 32, 3, 2\]"),
        (mat(X=X, y=Y[:1]), "1 labels for 2 images"),
        (mat(X=X, y=0 * Y), "labels from 0.0 to 0.0, expected 1 to 10"),
        (mat(X=X, y=11 * Y), "labels from 11.0 to 11.0, expected 1 to 10"),
    ],
)
def test_damaged_svhn(tmp_path, damage, message):
    samples.write_svhn(tmp_path, 20, 10)
    damage(tmp_path / "test_32x32.mat")
    with pytest.raises(UserError, match=message) as caught:
        registry.load("svhn_cropped", tmp_path)
    assert "test_32x32.mat" in str(caught.value)
