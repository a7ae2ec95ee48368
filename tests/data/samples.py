"""Small or real-sized data sets, written to disk in their original formats."""

import gzip
import io
import pathlib
import pickle
import struct
import tarfile

import numpy as np
import scipy.io

IDX_NAMES = tuple(
    f"{split}-{kind}-ubyte.gz"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)


def images(count: int, shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ten classes of noisy bars, x [count, *shape] uint8, and labels, each class in turn."""
    rng = np.random.default_rng(seed)
    y = (np.arange(count) % 10).astype(np.uint8)
    x = rng.integers(0, 32, (count, *shape), dtype=np.uint8)
    x[np.arange(count), y.astype(int) * shape[0] // 10] += 200
    return x, y


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file's content before compression."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(folder: pathlib.Path, num_train: int, num_test: int, size: int = 28):
    """The four files of MNIST or F-MNIST; returns `(x, y)` of training and test."""
    splits = images(num_train, (size, size)), images(num_test, (size, size), seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = (array for split in splits for array in split)
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        (folder / name).write_bytes(gzip.compress(idx_bytes(array), compresslevel=1))
    return splits


def write_tar(path: pathlib.Path, members: dict[str, bytes]) -> None:
    """A `.tar.gz` of the given files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def cifar_batches(batch_size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Five training batches and one for tests, each x [batch_size, 3072] uint8 and labels."""
    names = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
    batches = {name: images(batch_size, (32, 32, 3), seed) for seed, name in enumerate(names)}
    return {
        name: (x.transpose(0, 3, 1, 2).reshape(batch_size, -1), y)
        for name, (x, y) in batches.items()
    }


def write_cifar_binary(folder: pathlib.Path, batch_size: int):
    """`cifar-10-binary.tar.gz`; returns its batches."""
    batches = cifar_batches(batch_size)
    members = {
        f"cifar-10-batches-bin/{name}.bin": np.concatenate([y[:, None], x], 1).tobytes()
        for name, (x, y) in batches.items()
    }
    write_tar(folder / "cifar-10-binary.tar.gz", members)
    return batches


def write_cifar_python(folder: pathlib.Path, batch_size: int, dump=None):
    """`cifar-10-python.tar.gz`, pickled by `dump(x, y)`; returns its batches."""
    batches = cifar_batches(batch_size)
    dump = dump or python2_pickle
    members = {f"cifar-10-batches-py/{name}": dump(x, y) for name, (x, y) in batches.items()}
    write_tar(folder / "cifar-10-python.tar.gz", members)
    return batches


def python3_pickle(x: np.ndarray, y: np.ndarray) -> bytes:
    """A batch as today's NumPy and Python write it."""
    return pickle.dumps({"data": x, "labels": y.tolist()}, protocol=4)


def python2_pickle(x: np.ndarray, y: np.ndarray) -> bytes:
    """A batch as Python 2 wrote the published archive: protocol 2, byte strings, old names."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
    dtype += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    data = x.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    array += number(0) + b"\x85" + text(b"b") + b"\x87R"
    array += b"(" + number(1) + number(len(x)) + number(x.shape[1]) + b"\x86" + dtype + b"\x89"
    array += b"T" + struct.pack("<i", len(data)) + data + b"tb"
    labels = b"](" + b"".join(number(int(label)) for label in y) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + labels + b"u."


def write_svhn(folder: pathlib.Path, num_train: int, num_test: int):
    """SVHN's two `.mat` files, digit 0 written as 10; returns `(x, y)` of training and test."""
    splits = images(num_train, (32, 32, 3)), images(num_test, (32, 32, 3), seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (x, y) in zip(("train", "test"), splits, strict=True):
        content = {"X": np.moveaxis(x, 0, -1), "y": np.where(y == 0, 10, y)[:, None]}
        scipy.io.savemat(folder / f"{name}_32x32.mat", content, do_compression=True)
    return splits
