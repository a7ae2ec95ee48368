"""Published archives of data sets: their files, and how to find and read them."""

import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from tf_sintrovae.data.formats import cifar, gzipped, idx, svhn
from tf_sintrovae.data.formats.splits import LabelledImages
from tf_sintrovae.errors import UserError

_logger = logging.getLogger("tf_sintrovae.data")


@dataclasses.dataclass(frozen=True)
class Archive:
    """One form in which a data set is published.

    Attributes:
        sha256: published hash of each file, by file name.
        read: reader of the files, which takes their paths in this order and the greatest number of bytes that
            one may unpack to, and returns `((x, y), (x, y))` for training and test.
        content_sha256: hash of what a gzip file holds once unpacked, by file name, where it is known: a
            package of a distribution has the published content, compressed anew.
    """

    sha256: dict[str, str]
    read: Callable[..., tuple[LabelledImages, LabelledImages]]
    content_sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    def has_published(self, path: pathlib.Path, max_bytes: int) -> bool:
        """Whether a file is the published one of its name, or the same content compressed anew."""
        if sha256(path) == self.sha256[path.name]:
            return True
        content = self.content_sha256.get(path.name)
        return content is not None and content == _content_sha256(path, max_bytes)


def _read_idx(
    train_images: pathlib.Path,
    train_labels: pathlib.Path,
    test_images: pathlib.Path,
    test_labels: pathlib.Path,
    max_bytes: int,
) -> tuple[LabelledImages, LabelledImages]:
    return (
        idx.read_split(train_images, train_labels, max_bytes),
        idx.read_split(test_images, test_labels, max_bytes),
    )


def _read_svhn(
    train: pathlib.Path, test: pathlib.Path, max_bytes: int
) -> tuple[LabelledImages, LabelledImages]:
    return svhn.read_split(train, max_bytes), svhn.read_split(test, max_bytes)


def _idx(sha256: Sequence[str], content_sha256: Sequence[str]) -> Archive:
    names = [
        f"{split}-{kind}-ubyte.gz"
        for split in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    published, content = (
        dict(zip(names, hashes, strict=True)) for hashes in (sha256, content_sha256)
    )
    return Archive(published, _read_idx, content)


# Content of Fashion-MNIST: of Debian's files, which tests/data/test_fashion_mnist.py proves to be the
# published ones. Content of MNIST: as several public projects give it.
ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "mnist": (
        _idx(
            (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    ),
    "fashion_mnist": (
        _idx(
            (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    ),
    "cifar10": (
        Archive(
            {
                "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a"
                "59bca1dd"
            },
            cifar.read_binary,
        ),
        Archive(
            {
                "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0"
                "b5c001ce"
            },
            cifar.read_python,
        ),
    ),
    "svhn_cropped": (
        Archive(
            {
                "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            },
            _read_svhn,
        ),
    ),
}


def find(name: str, folders: list[pathlib.Path]) -> tuple[Archive, pathlib.Path] | None:
    """Looks for a data set's archives.

    Args:
        name: canonical name of the data set.
        folders: folders to look in, in this order.

    Returns:
        The archive and the first folder that holds all its files, or None.

    Raises:
        UserError: a folder holds some of the files of an archive, and none holds all.
    """
    candidates = [(archive, folder) for folder in folders for archive in ARCHIVES.get(name, ())]
    for archive, folder in candidates:
        if all((folder / file).is_file() for file in archive.sha256):
            return archive, folder
    for archive, folder in candidates:
        missing = [file for file in archive.sha256 if not (folder / file).is_file()]
        if len(missing) < len(archive.sha256):
            raise UserError(f"{folder}: {name} is incomplete, add {', '.join(missing)}")
    return None


def describe(name: str) -> str:
    """The files that would do for a data set, in words; empty for one that has no reader here."""
    return ", or ".join(", ".join(archive.sha256) for archive in ARCHIVES.get(name, ()))


def read(
    name: str, archive: Archive, folder: pathlib.Path, max_bytes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reads and checks an archive; content other than the published is only worth a warning.

    Args:
        name: canonical name of the data set.
        archive: form in which it is there.
        folder: folder that holds its files.
        max_bytes: greatest number of bytes that each file may unpack to.

    Returns:
        Arrays x_train [N, H, W, C] uint8, y_train [N], x_test and y_test.

    Raises:
        UserError: a file is damaged, not what its name promises, or too big.
    """
    paths = [folder / file for file in archive.sha256]
    train, test = archive.read(*paths, max_bytes)
    if train[0].shape[1:] != test[0].shape[1:]:
        raise UserError(
            f"{paths[-1]}: images of shape {test[0].shape[1:]}, the training images have "
            f"{train[0].shape[1:]}"
        )
    _warn_of_other_content(name, archive, folder, max_bytes)
    return *train, *test


def sha256(path: pathlib.Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _content_sha256(path: pathlib.Path, max_bytes: int) -> str:
    return hashlib.sha256(gzipped.read(path, max_bytes)).hexdigest()


def _warn_of_other_content(
    name: str, archive: Archive, folder: pathlib.Path, max_bytes: int
) -> None:
    others = [
        file for file in archive.sha256 if not archive.has_published(folder / file, max_bytes)
    ]
    if others:
        verb = "differs" if len(others) == 1 else "differ"
        _logger.warning(
            "%s: %s %s from the published %s (SHA-256); used as they are",
            *(folder, ", ".join(others), verb, name),
        )
