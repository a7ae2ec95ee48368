"""The options that every loader takes."""

import dataclasses
import pathlib

# GiB that data files may take in memory, unless the user allows more.
MAX_DATA_GIB = 8.0


@dataclasses.dataclass(frozen=True)
class LoaderOptions:
    """What the user asks of a loader.

    Attributes:
        name: canonical name of the data set.
        data_dir: folder (or file) with the data; None for the usual place.
        image_size: height and width to resize images to; None keeps their own.
        seed: seed of a train/test split that the data set does not bring along.
        max_data_gib: greatest size of data files once unpacked, in GiB; larger ones are refused.
    """

    name: str
    data_dir: pathlib.Path | None = None
    image_size: int | None = None
    seed: int = 0
    max_data_gib: float = MAX_DATA_GIB

    @property
    def max_bytes(self) -> int:
        """`max_data_gib` in bytes."""
        return int(self.max_data_gib * 2**30)
