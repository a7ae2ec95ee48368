"""Generated data files, right and wrong in every way that came to mind, as hypothesis strategies.

Each strategy gives a function that writes its files into an empty folder and returns what `registry.load` is
to be given: the data set's name and the path.
"""

import gzip
import io
import pathlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import scipy.io
from hypothesis import strategies as st
from PIL import Image

from tests.data import samples

Write = Callable[[pathlib.Path], tuple[str, pathlib.Path]]

SEEDS = st.integers(0, 2**32 - 1)
_DTYPES = (
    "u1",
    "i1",
    "<i2",
    ">i4",
    "i8",
    "u8",
    "f2",
    "f4",
    ">f4",
    "f8",
    "g",
    "?",
    "c8",
    "U2",
    "S2",
)
_ODD_DTYPES = ("O", "M8[s]", "V4", "u1,f4", "U0")
_VALUES = ("unit", "bytes", "bits", "normal", "constant", "extreme")
_SHAPES = st.one_of(
    st.tuples(st.integers(0, 12), st.integers(1, 6)),
    st.tuples(st.integers(1, 12), st.sampled_from((1, 3, 8)), st.sampled_from((1, 3, 8))),
    st.tuples(st.integers(1, 12), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4)),
    st.lists(st.integers(0, 4), max_size=5).map(tuple),
)


def _values(random: np.random.Generator, kind: str, shape) -> np.ndarray:
    if kind == "unit":
        return random.uniform(0, 1, shape)
    if kind == "bytes":
        return random.integers(0, 256, shape)
    if kind == "bits":
        return random.integers(0, 2, shape)
    if kind == "normal":
        return random.normal(0, 3, shape)
    if kind == "constant":
        return np.full(shape, random.choice([0.0, 1.0, -3.0, 254.0]))
    choices = [np.nan, np.inf, -np.inf, 1e300, -1.0, 256.0, 0.5, 1e-320]
    return random.choice(choices, shape)


def _array(dtype: str, shape: tuple[int, ...], kind: str, order: str, seed: int) -> np.ndarray:
    values = np.asarray(_values(np.random.default_rng(seed), kind, shape))
    with np.errstate(all="ignore"):
        if dtype in _ODD_DTYPES:
            return np.asarray(np.zeros(shape, dtype), order=order)
        return np.asarray(values.astype(dtype), order=order)


def _mostly(usual: st.SearchStrategy, odd: st.SearchStrategy, one_in: int) -> st.SearchStrategy:
    """`odd` once in so many draws; `one_of` would give both equal shares."""
    return st.sampled_from([usual] * (one_in - 1) + [odd]).flatmap(lambda chosen: chosen)


def arrays(shapes=_SHAPES) -> st.SearchStrategy[np.ndarray]:
    """Arrays of any kind; one in six of a dtype that no data set has."""
    dtypes = _mostly(st.sampled_from(_DTYPES), st.sampled_from(_ODD_DTYPES), 6)
    return st.builds(_array, dtypes, shapes, st.sampled_from(_VALUES), st.sampled_from("CF"), SEEDS)


@st.composite
def _splits(draw) -> dict[str, np.ndarray]:
    """Arrays as they should be: images or points, whole or split, with labels or without."""
    shape = draw(st.sampled_from([(2,), (1,), (5,), (8, 8), (4, 6, 1), (8, 8, 3)]))
    kinds = [
        ("unit", "f4"),
        ("unit", "f8"),
        ("bytes", "u1") if len(shape) > 1 else ("normal", "f2"),
    ]
    kind, dtype = draw(st.sampled_from(kinds))
    names = draw(st.sampled_from([("x",), ("x_train", "x_test")]))
    labels = draw(st.sampled_from([None, "u1", "<i2", "U2"]))
    members = {}
    for name in names:
        seed, count = draw(SEEDS), draw(st.sampled_from((2, 3, 5, 12, 1)))
        members[name] = _array(dtype, (count, *shape), kind, "C", seed)
        if labels:
            y = np.random.default_rng(seed).integers(0, 3, count)
            members[name.replace("x", "y")] = y.astype(labels)
    return members


_NAMES = ("x", "y", "x_train", "x_test", "y_train", "y_test", "z", "../x", "x.npy", "")
_MEMBERS = _mostly(
    _splits(), st.dictionaries(st.sampled_from(_NAMES), arrays(), min_size=1, max_size=4), 3
)


def _damage(data: bytes, kind: str, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    place = int(random.integers(0, len(data) + 1))
    if kind == "truncated":
        return data[:place]
    if kind == "flipped":
        array = np.frombuffer(data, np.uint8).copy()
        for where in random.integers(0, max(1, len(array)), 1 + place % 4):
            array[where : where + 1] ^= np.uint8(1 << random.integers(0, 8))
        return array.tobytes()
    if kind == "longer":
        return data[:place] + random.bytes(1 + place % 50) + data[place:]
    if kind == "replaced":
        others = (b"", b"<html>", pickle.dumps({"x": 1}), b"PK\x03\x04", b"\x1f\x8b", b"\x93NUMPY")
        return others[place % len(others)] + data[place:]
    return data


_DAMAGES = (*("none",) * 8, "truncated", "flipped", "longer", "replaced")
_DAMAGE = st.tuples(st.sampled_from(_DAMAGES), SEEDS)


def _npy_bytes(array: np.ndarray, version: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version, allow_pickle=True)
    return buffer.getvalue()


def _with_shape(data: bytes, lie: tuple[int, ...] | None) -> bytes:
    """An `.npy` file whose header tells another shape."""
    start, end = data.find(b"'shape': ("), data.find(b"), }")
    if lie is None or start < 0 or end < 0:
        return data
    text = b"'shape': " + str(lie).encode().replace(b" ", b"")[:-1]
    room = data.find(b"\n") - start
    return data[:start] + (text + b"), }").ljust(room)[:room] + data[start + room :]


_LIES = _mostly(
    st.none(),
    st.lists(st.sampled_from((-1, 0, 1, 2, 7, 2**20, 2**33, 2**62)), max_size=4).map(tuple),
    6,
)
_VERSIONS = st.sampled_from([(1, 0), (2, 0), (3, 0)])


@st.composite
def npy_files(draw) -> Write:
    """A `.npy` file, perhaps damaged."""
    sane = _splits().map(lambda members: next(iter(members.values())))
    array, version = draw(_mostly(sane, arrays(), 3)), draw(_VERSIONS)
    data = _damage(_with_shape(_npy_bytes(array, version), draw(_LIES)), *draw(_DAMAGE))

    def write(folder):
        (folder / "mine.npy").write_bytes(data)
        return "files", folder / "mine.npy"

    return write


_COMPRESSIONS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
)


@st.composite
def npz_files(draw) -> Write:
    """An `.npz` file, perhaps damaged as a whole or in a member."""
    members, compression = draw(_MEMBERS), draw(st.sampled_from(_COMPRESSIONS))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, array in members.items():
            lie, damage = draw(_LIES), draw(_DAMAGE)
            content = _with_shape(_npy_bytes(array, (1, 0)), lie)
            file.writestr(f"{name}.npy", _damage(content, *damage) if lie else content)
    data = _damage(buffer.getvalue(), *draw(_DAMAGE))

    def write(folder):
        (folder / "mine.npz").write_bytes(data)
        return "files", folder / "mine.npz"

    return write


_MODES = ("L", "L", "RGB", "RGB", "1", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F")
_FORMATS = ("png", "png", "jpeg", "bmp", "gif", "webp", "tiff")
_PLACES = ("", "", "a", "b", "train", "test", "train/a", "test/a", "test/b", "val/a", "sub/sub")
_ODD_NAMES = ("{}", "{}", "ü {}", ".{}", "-{}", "a\nb{}", "{}" + "x" * 200, "\udcff{}", "日本{}")


def _image_bytes(mode: str, size: tuple[int, int], form: str, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (*size[::-1], 3), np.uint8))
    image = (
        Image.fromarray(np.zeros(size[::-1], np.uint16)) if mode == "I;16" else image.convert(mode)
    )
    buffer = io.BytesIO()
    try:
        image.save(buffer, form)
    except (OSError, ValueError):  # this format has no such mode
        image.convert("RGB").save(buffer, form)
    return buffer.getvalue()


def _bomb(side: int) -> bytes:
    """A PNG file of some bytes that claims to have `side` pixels squared."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


@st.composite
def _image_file(draw, places, sizes, modes) -> tuple[str, bytes]:
    form, odd = draw(st.sampled_from(_FORMATS)), draw(st.integers(0, 9)) == 7
    name = draw(st.sampled_from(_ODD_NAMES)).format(draw(st.integers(0, 99)))
    suffix = draw(st.sampled_from((".PNG", ".txt", "", ".jpg"))) if odd else f".{form}"
    data = _image_bytes(draw(modes), draw(sizes), form, draw(SEEDS))
    if draw(st.integers(0, 29)) == 7:
        data = _bomb(draw(st.sampled_from((0, 3000, 10_000, 20_000, 2**31 - 1))))
    elif draw(st.integers(0, 9)) == 7:
        data = _damage(data, *draw(_DAMAGE))
    return f"{draw(st.sampled_from(places))}/{name}{suffix}", data


@st.composite
def image_folders(draw) -> Write:
    """A folder of images, of one size or several, in classes or not, whole or split."""
    size = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    others = st.tuples(st.integers(1, 9), st.integers(1, 9))
    sizes = draw(st.sampled_from((st.just(size), st.just(size), others)))
    modes = draw(st.sampled_from((st.just("L"), st.just("RGB"), st.sampled_from(_MODES))))
    one = st.sampled_from(_PLACES).map(lambda place: [place])
    several = st.lists(st.sampled_from(_PLACES), min_size=2, max_size=4)
    regular = st.sampled_from((["a", "b"], ["train/a", "test/a"], ["train", "test"]))
    places = draw(_mostly(_mostly(one, regular, 2), several, 3))
    files = draw(st.lists(_image_file(places, sizes, modes), min_size=2, max_size=10))

    def write(folder):
        for name, data in files:
            path = folder / "mine" / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (folder / "mine").mkdir(exist_ok=True)
        return "files", folder / "mine"

    return write


def _idx_bytes(array: np.ndarray, lie: tuple[int, ...] | None) -> bytes:
    data = samples.idx_bytes(array)
    if lie is None:
        return data
    dimensions = [size % 2**32 for size in lie]
    return bytes([0, 0, 8, len(lie)]) + struct.pack(f">{len(lie)}I", *dimensions) + data[8:]


@st.composite
def idx_archives(draw) -> Write:
    """The four files of MNIST, perhaps damaged before or after their compression, or missing."""
    size, files = (draw(st.integers(1, 9)), draw(st.integers(1, 9))), {}
    wrong = draw(st.sampled_from((None, None, *samples.IDX_NAMES)))
    counts = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    for name, count in zip(samples.IDX_NAMES, np.repeat(counts, 2), strict=True):
        random = np.random.default_rng(draw(SEEDS))
        x, y = random.integers(0, 256, (count, *size)), random.integers(0, 10, count)
        array = x if "images" in name else y
        lie = draw(_LIES) if name == wrong else None
        data = _idx_bytes(array + (draw(st.integers(0, 3)) if name == wrong else 0), lie)
        if name == wrong:
            data = _damage(data, *draw(_DAMAGE))
        data = gzip.compress(data, 1, mtime=0)
        files[name] = _damage(data, *draw(_DAMAGE)) if name == wrong else data
    if draw(st.integers(0, 9)) == 0:
        files.pop(samples.IDX_NAMES[1])

    def write(folder):
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return "mnist", folder

    return write


def _odd_labels(y: np.ndarray, kind: int):
    return (y, y.tolist(), y.astype(int) - 1, y + 0.5, [[1]] * len(y), "text", None, y[:-1])[kind]


@st.composite
def cifar_archives(draw) -> Write:
    """CIFAR-10's archive in either form, perhaps with one batch wrong or with odd members."""
    is_binary, count = draw(st.booleans()), draw(st.integers(1, 3))
    batches = samples.cifar_batches(count)
    wrong = draw(st.sampled_from((None, None, *batches)))
    kind, damage = draw(st.integers(0, 7)), draw(_DAMAGE)
    dump = draw(st.sampled_from((samples.python2_pickle, samples.python3_pickle)))
    members = {}
    for name, (x, y) in batches.items():
        if is_binary:
            data = np.concatenate([y[:, None], x], 1).tobytes()
        elif name == wrong:
            data = pickle.dumps({"data": x, "labels": _odd_labels(y, kind)}, protocol=2 + kind % 3)
        else:
            data = dump(x, y)
        folder = (
            draw(st.sampled_from(("cifar", "../cifar", "/cifar"))) if name == wrong else "cifar"
        )
        suffix = ".bin" if is_binary else ""
        members[f"{folder}/{name}{suffix}"] = _damage(data, *damage) if name == wrong else data
    if wrong and draw(st.booleans()):
        members.pop(next(iter(members)))
    whole = draw(_DAMAGE) if draw(st.integers(0, 3)) == 0 else ("none", 0)

    def write(folder):
        path = folder / f"cifar-10-{'binary' if is_binary else 'python'}.tar.gz"
        samples.write_tar(path, members)
        path.write_bytes(_damage(path.read_bytes(), *whole))
        return "cifar10", folder

    return write


@st.composite
def svhn_files(draw) -> Write:
    """SVHN's two MATLAB files, one of them damaged or of another shape."""
    count, damage = draw(st.integers(1, 5)), draw(_DAMAGE)
    other = draw(_mostly(st.none(), arrays(), 4))

    def write(folder):
        samples.write_svhn(folder, count, 2)
        path = folder / "train_32x32.mat"
        if other is not None and other.dtype.kind in "iuf" and other.dtype.itemsize <= 8:
            scipy.io.savemat(path, {"X": other.astype(other.dtype.newbyteorder("=")), "y": [[1]]})
        path.write_bytes(_damage(path.read_bytes(), *damage))
        return "svhn_cropped", folder

    return write


KINDS = {
    "npy": npy_files(),
    "npz": npz_files(),
    "folder": image_folders(),
    "idx": idx_archives(),
    "cifar": cifar_archives(),
    "svhn": svhn_files(),
}
