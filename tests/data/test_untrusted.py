"""Files that lie about their size, hold code or lead elsewhere: each ends with one line, and soon."""

import gzip
import io
import logging
import os
import pickle
import re
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from PIL import Image

from tests.data import samples
from tf_sintrovae.data import registry
from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.errors import UserError

IMAGES = samples.images(12, (8, 8))[0]
MIB = 2**20


def load(path, name="files", **options):
    return registry.load(name, path, **options)


def assert_refused(path, match, name="files", **options):
    with pytest.raises(UserError, match=match) as caught:
        load(path, name, **options)
    assert "\n" not in str(caught.value) and "allow_pickle" not in str(caught.value)


def npy(shape, dtype="|u1", data=b""):
    """A file whose header says what it is told to."""
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


def write_npz(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


@pytest.mark.parametrize("shape", [(38 * 2**24, 8, 8), (2**62, 2**62), (2**31, 1, 2)])
def test_a_size_that_the_files_length_disproves(tmp_path, shape):
    (tmp_path / "x.npy").write_bytes(npy(shape, data=b"0" * 1000))
    assert_refused(
        tmp_path / "x.npy", r"x.npy is damaged: its header promises \d+ bytes of data, there are"
    )
    write_npz(tmp_path / "x.npz", x=npy(shape, data=b"0" * 1000))
    assert_refused(
        tmp_path / "x.npz", r"array 'x' is damaged: its header promises \d+ bytes of data"
    )


def test_a_header_that_promises_less_than_there_is(tmp_path):
    (tmp_path / "x.npy").write_bytes(npy((4, 4, 4), data=b"0" * 100))
    assert_refused(tmp_path / "x.npy", "promises 64 bytes of data, there are 100")


@pytest.mark.parametrize("dtype", ["|V0", "|V8", "<M8[s]", "<U0"])
def test_dtypes_that_are_no_numbers(tmp_path, dtype):
    size = np.dtype(dtype).itemsize
    (tmp_path / "x.npy").write_bytes(npy((10**15 if not size else 5, 2), dtype, b"0" * 10 * size))
    assert_refused(tmp_path / "x.npy", "has dtype .*: expected numbers")


@pytest.mark.parametrize(
    "header",
    [
        b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118,
        b"\x93NUMPY\x01\x00\x76\x00" + b"'" * 118,
        b"\x93NUMPY\x01\x00\x08\x00{'a': 1}",
        b"\x93NUMPY\x09\x00\x08\x00{'a': 1}",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'a': 1}",
        npy((-1, -64)),
        npy((True, 2)),
    ],
)
def test_headers_that_are_none(tmp_path, header):
    (tmp_path / "x.npy").write_bytes(header)
    assert_refused(tmp_path / "x.npy", r"x.npy(: damaged, or not an array| is damaged)")


def test_more_than_the_limit_is_refused_before_it_is_read_and_a_flag_raises_it(tmp_path):
    x = np.zeros((3 * MIB // 64, 8, 8), np.uint8)
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "x.npz", x=x)
    np.savez(tmp_path / "two.npz", x_train=x[: len(x) // 2], x_test=x[: len(x) // 2])
    for name in ("x.npy", "x.npz", "two.npz"):
        assert_refused(tmp_path / name, "raise it with --max_data_gib", max_data_gib=2.5 / 1024)
        assert load(tmp_path / name, max_data_gib=3.5 / 1024).num_train > 0


def test_a_bomb_of_zeros_in_an_npz(tmp_path):
    """Ten GiB in ten MiB: refused by what the archive says, without unpacking it."""
    packer, size = zlib.compressobj(9, zlib.DEFLATED, -15), 10 * 2**30
    header = npy((size // 64, 8, 8))
    chunk = bytes(64 * MIB)
    packed = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = zeros.compress(chunk) + zeros.flush(zlib.Z_FULL_FLUSH)
    packed += block * (size // len(chunk)) + packer.flush()
    write_npz(tmp_path / "x.npz", x=b"")
    write_raw_member(tmp_path / "x.npz", packed, len(header) + size)
    assert (tmp_path / "x.npz").stat().st_size < 12 * MIB
    assert_refused(tmp_path / "x.npz", "takes 10 GiB of memory or more, the limit is 8 GiB")


def write_raw_member(path, packed, size):
    """A zip archive of one deflated member `x.npy` that says to unpack to `size` bytes."""
    name, extra = b"x.npy", struct.pack("<HHQQ", 1, 16, size, len(packed))
    common = struct.pack(
        "<HHHHHIIIHH", 45, 0, 8, 0, 0, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra)
    )
    local = b"PK\x03\x04" + common + name + extra
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    central += name + extra
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    path.write_bytes(local + packed + central + b"PK\x05\x06" + end)


@pytest.mark.parametrize("name", ["../../y", "/etc/y", "a/../../y"])
def test_a_member_of_an_npz_that_leads_out_of_it(tmp_path, name):
    """Nothing is unpacked; but an archive that says so is not what NumPy wrote."""
    np.savez(tmp_path / "x.npz", x=IMAGES, **{name: IMAGES})
    assert_refused(tmp_path / "x.npz", "y.npy' leads out of the archive, which is refused")


def test_a_claim_that_compression_cannot_reach(tmp_path):
    write_raw_member(tmp_path / "x.npz", b"\x03\x00", 2**30)
    assert_refused(
        tmp_path / "x.npz", "array 'x' is damaged: it claims 1073741824 bytes, packed into 2"
    )


def test_an_encrypted_npz(tmp_path):
    np.savez(tmp_path / "x.npz", x=IMAGES)
    data = bytearray((tmp_path / "x.npz").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "x.npz").write_bytes(bytes(data))
    assert_refused(tmp_path / "x.npz", "array 'x' is encrypted: save it without a password")


def test_python_objects_are_refused_in_words_of_our_own(tmp_path):
    ragged = np.array([[1], [1, 2]], object)
    np.save(tmp_path / "x.npy", ragged, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=ragged)
    (tmp_path / "p.npz").write_bytes(pickle.dumps(1))
    for name in ("x.npy", "x.npz"):
        assert_refused(
            tmp_path / name, "holds Python objects, which are refused because opening them could"
        )
    assert_refused(
        tmp_path / "p.npz", "a pickle, which is refused because opening it could run any code"
    )


def test_an_image_of_too_many_pixels(tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "b.png").write_bytes(bytes(data))
    assert_refused(tmp_path, r"b.png: claims to have more than [\d,]+ pixels, which is refused")


def test_a_folder_of_more_than_the_limit(tmp_path):
    for i in range(4):
        Image.fromarray(np.zeros((1024, 1024), np.uint8)).save(tmp_path / f"{i}.png")
    assert_refused(tmp_path, "hold up to 2.png takes 0.00293 GiB", max_data_gib=2.5 / 1024)


def test_only_the_formats_of_the_names_are_opened(tmp_path):
    """Others may start a program, as PostScript does."""
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    assert_refused(tmp_path, "x.png: not an image, or a corrupt one")


def test_links_of_ones_own_are_followed_and_lost_ones_named(tmp_path):
    (tmp_path / "store").mkdir()
    for i in range(3):
        Image.fromarray(IMAGES[i]).save(tmp_path / "store" / f"{i}.png")
    os.symlink(tmp_path / "store", tmp_path / "mine")
    (tmp_path / "picked").mkdir()
    for i in range(2):
        os.symlink(tmp_path / "store" / f"{i}.png", tmp_path / "picked" / f"{i}.png")
    assert load(tmp_path / "mine").num_train == 2 and load(tmp_path / "picked").num_train == 1
    os.symlink(tmp_path / "gone.png", tmp_path / "picked" / "9.png")
    assert_refused(tmp_path / "picked", "9.png: is a link to a file that is not there")


def test_a_gzip_bomb(tmp_path):
    samples.write_idx(tmp_path, 12, 10)
    with gzip.open(tmp_path / samples.IDX_NAMES[0], "wb", 1) as file:
        for _ in range(20):
            file.write(bytes(MIB))
    assert_refused(
        tmp_path, "takes 0.0107 GiB of memory or more", "mnist", max_data_gib=10.1 / 1024
    )


def tar_with(path, *members):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, len(content)
            tar.addfile(member, io.BytesIO(content))


RECORD = bytes(3073)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../data_batch_1.bin", tarfile.REGTYPE, "", RECORD), "leads out of the archive"),
        (("/data_batch_1.bin", tarfile.REGTYPE, "", RECORD), "leads out of the archive"),
        (("data_batch_1.bin", tarfile.SYMTYPE, "/etc/passwd", b""), "is a link"),
        (("data_batch_1.bin", tarfile.LNKTYPE, "other", b""), "is a link"),
        (("data_batch_1.bin", tarfile.FIFOTYPE, "", b""), "is a link or no plain file"),
    ],
)
def test_members_that_lead_out_of_an_archive(tmp_path, member, message):
    tar_with(tmp_path / "cifar-10-binary.tar.gz", member)
    assert_refused(
        tmp_path, f"cifar-10-binary.tar.gz: member .*data_batch_1.bin' {message}", "cifar10"
    )


def test_a_sparse_member_that_claims_to_be_large(tmp_path):
    """GNU's sparse files: half a kilobyte stored, a tebibyte of holes."""
    content = b"1\n0\n0\n".ljust(512, b"\0")
    member = tarfile.TarInfo("data_batch_1.bin")
    member.size = len(content)
    sparse = {"major": "1", "minor": "0", "name": member.name, "realsize": str(2**40)}
    member.pax_headers = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))
    assert_refused(tmp_path, "data_batch_1.bin' is a link or no plain file", "cifar10")


class Claimed:
    """Unpickles as an empty array of any shape, whose memory nobody wrote."""

    def __init__(self, shape):
        self.shape = shape

    def __reduce__(self):
        return np.ndarray, (self.shape, np.dtype("u1"))


def test_a_pickled_array_of_more_than_the_pickle_holds(tmp_path):
    payload = pickle.dumps({"data": Claimed((2**20, 3072)), "labels": [1] * 2**10})
    samples.write_cifar_python(tmp_path, 3, lambda x, y: payload)
    assert_refused(tmp_path, "'data' claims 3221225472 bytes in a pickle of", "cifar10")


def test_labels_that_grow_without_bounds(tmp_path):
    """Thirty lists, each twice the one before: a billion values in a pickle of some hundred bytes."""
    nested = [1, 2]
    for _ in range(30):
        nested = [nested, nested]
    samples.write_cifar_python(
        tmp_path, 3, lambda x, y: pickle.dumps({"data": x, "labels": nested})
    )
    assert_refused(tmp_path, "labels that are not all integers", "cifar10")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": scipy.sparse.eye(2)},
            "not arrays of numbers",
        ),
        ({"X": scipy.sparse.eye(2), "y": np.ones((2, 1))}, "not arrays of numbers"),
        (
            {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.full((2, 1), np.nan)},
            "expected 1 to 10",
        ),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.full((2, 1), 1.5)}, "expected 1 to 10"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": "text"}, "not arrays of numbers"),
    ],
)
def test_matlab_files_of_other_things(tmp_path, content, message):
    samples.write_svhn(tmp_path, 20, 10)
    scipy.io.savemat(tmp_path / "test_32x32.mat", content)
    assert_refused(tmp_path, message, "svhn_cropped")


def test_a_matlab_file_of_more_than_the_limit(tmp_path):
    samples.write_svhn(tmp_path, 1000, 10)
    assert_refused(tmp_path, "train_32x32.mat takes", "svhn_cropped", max_data_gib=1 / 1024)


def warnings_of_load(caplog, path):
    caplog.clear()
    caplog.set_level(logging.WARNING, "tf_sintrovae.data")
    load(path)
    return caplog.messages


def test_what_may_be_meant_otherwise_is_one_warning(tmp_path, caplog):
    path = tmp_path / "x.npy"
    for x, message in (
        ((IMAGES > 100).astype(np.uint8), "its integers are all 0 or 1, which become 0 and 1/255"),
        (
            np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
            r"read as 4 grey images of 3x4 pixels; a si",
        ),
        (np.arange(16, dtype=np.uint8).reshape(4, 4, 1), r"would be \[1, 4, 4, 1\]"),
        (np.arange(20.0).reshape(10, 2) * [1, 100], "1 of 2 coordinates hardly vary.*number 1"),
        (np.arange(20.0).reshape(10, 2) * [0, 1], "1 of 2 coordinates hardly vary.*number 0"),
    ):
        np.save(path, x)
        (text,) = warnings_of_load(caplog, path)
        assert re.search(message, text), text
    np.save(path, IMAGES)
    assert warnings_of_load(caplog, path) == []


def test_classes_of_training_and_test(tmp_path, caplog):
    def save(y_train, y_test):
        np.savez(
            tmp_path / "x.npz", x_train=IMAGES, x_test=IMAGES[:4], y_train=y_train, y_test=y_test
        )

    save([0, 1] * 6, [2, 3, 2, 3])
    assert_refused(
        tmp_path / "x.npz", r"no class of the test labels \(2, 3\) is among those of training"
    )
    save([0, 1] * 6, ["a", "b", "a", "b"])
    assert_refused(tmp_path / "x.npz", "some labels are text, others integers")
    save([0, 1] * 6, [0, 1, 0, 7])
    assert warnings_of_load(caplog, tmp_path / "x.npz") == [
        f"{tmp_path / 'x.npz'}: test labels without training examples: 7"
    ]
    save(np.array([0, 2**64 - 1] * 6, np.uint64), np.array([0, 0, 0, 0]))
    assert load(tmp_path / "x.npz").class_names == ("0", str(2**64 - 1))


def write_images(folder, count=4):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(IMAGES[i]).save(folder / f"{i}.png")


def test_training_images_without_test_images_are_split(tmp_path, caplog):
    write_images(tmp_path / "a" / "train")
    source = load(tmp_path / "a")
    assert (source.num_train, source.num_classes, len(source.examples("test").x)) == (3, 0, 1)
    write_images(tmp_path / "b" / "train" / "cats")
    write_images(tmp_path / "b" / "train" / "dogs")
    assert load(tmp_path / "b").class_names == ("cats", "dogs")
    write_images(tmp_path / "b" / "val" / "cats")
    write_images(tmp_path / "b" / "val" / "dogs", 2)
    assert load(tmp_path / "b").num_train == 8 and len(load(tmp_path / "b").examples("test").x) == 6
    write_images(tmp_path / "c" / "test")
    assert_refused(tmp_path / "c", "holds test/ and no train/")
    write_images(tmp_path / "d" / "train")
    write_images(tmp_path / "d" / "plane")
    assert load(tmp_path / "d").class_names == ("plane", "train")


def test_a_single_example_is_refused_for_that_reason(tmp_path):
    write_images(tmp_path / "one", 1)
    np.save(tmp_path / "one.npy", IMAGES[:1])
    for name in ("one", "one.npy"):
        assert_refused(
            tmp_path / name, r"holds a single example, of shape \[8, 8, 1\], which cannot be split"
        )
    np.savez(tmp_path / "one.npz", x_train=IMAGES[:1], x_test=IMAGES[:1])
    assert load(tmp_path / "one.npz").num_train == 1
    with pytest.raises(UserError, match=r"shape \[1, 2\] cannot be split"):
        held_out(np.zeros((1, 2)))


@pytest.mark.parametrize("seed", [2**31, 2**32, 2**63 - 1])
def test_large_seeds_work(tmp_path, seed):
    np.save(tmp_path / "x.npy", IMAGES)
    source = load(tmp_path / "x.npy", seed=seed)
    batches = [next(iter(source.train_batches(8, s)))[0].numpy() for s in (seed, seed, seed - 1)]
    np.testing.assert_array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[0], batches[2])
    assert load(None, "rings", seed=seed).examples("test", 3, seed).x.shape == (3, 2)


def test_seeds_and_paths_that_nothing_can_be_made_of(tmp_path):
    for seed in (-1, 2**63, 2**100):
        assert_refused(tmp_path, f"seed={seed}: expected a whole number from 0 to", seed=seed)
    assert_refused("x" * 5000, "data_dir='x+' cannot be used")
    assert_refused("~nobody-of-this-name/x", "data_dir=~nobody-of-this-name/x does not exist")
    assert_refused("a\0b", "does not exist|cannot be used")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.0, 1.0]), "labels of dtype float64: expected integers"),
        (np.array([0, 2**40]), "labels up to 1099511627776: number the classes from 0 on"),
        (np.array(["a", "b"]), "labels of dtype <U1: expected integers"),
    ],
)
def test_labels_of_arrays(labels, message):
    with pytest.raises(UserError, match=message):
        ArraySource("mine", np.zeros((2, 2)), labels)


def test_points_of_ones_own_are_read_as_they_are(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(tmp_path / "x.npz", x_train=x[:15], x_test=x[15:].astype(np.float32))
    source = load(tmp_path / "x.npz")
    assert source.shape == (3,) and not source.is_image
    np.testing.assert_array_equal(source.examples("train").x, x[:15].astype(np.float32))
    assert_refused(
        tmp_path / "x.npz", "image_size=8 has no meaning for .* points of 3", image_size=8
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "holds 1 values that are NaN or infinite"),
        (
            np.array([[1.0, 1e300], [1.0, 2.0]]),
            "holds 1 values that are NaN or infinite as float32",
        ),
        (np.zeros((4, 2), np.int64), r"shape \[4, 2\] and dtype int64: points \[N, D\] are floats"),
        (np.zeros((4, 0)), r"shape \[4, 0\]: expected points"),
        (np.zeros(4), r"shape \[4\]: expected"),
    ],
)
def test_points_that_cannot_be_used(tmp_path, x, message):
    np.save(tmp_path / "x.npy", x)
    assert_refused(tmp_path / "x.npy", message)
