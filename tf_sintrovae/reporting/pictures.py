"""Pictures inside a page, as data in the address of the image."""

import base64
import io
import pathlib
from typing import NamedTuple

import PIL.Image
from markupsafe import Markup

LARGEST = 1_500_000  # bytes of a picture that is taken into a page
_MOST_PIXELS = 20_000_000
_WIDE = 1.6  # times its height
_SMALL = 400  # pixels of width; smaller pictures are enlarged without blurring

# Name of a picture -> what it shows; in this order on the page.
CAPTIONS = {
    "samples": "Samples from the prior",
    "reconstructions": "Reconstructions of test examples",
    "samples_by_component": "Samples by component",
    "interpolations": "Between test examples",
    "component_interpolations": "Between components",
    "latent_space": "Latent means by class, and components at two standard deviations",
}


class Picture(NamedTuple):
    """A picture that stands in a page.

    Attributes:
        element: the `img` element.
        is_wide: whether it is much wider than high.
    """

    element: Markup
    is_wide: bool


def inline(path: pathlib.Path) -> Picture | None:
    """An `img` element that holds a PNG file; None where it cannot be read or is too large."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        content = path.read_bytes()
        with PIL.Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            width, height = image.size
            note = str(image.info.get("Comment", ""))
            if width * height > _MOST_PIXELS:
                return None
            image.verify()
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return None
    data = base64.b64encode(content).decode("ascii")
    kind = "small" if width < _SMALL else ""
    element = Markup(
        '<img class="{}" width="{}" height="{}" alt="{}" title="{}" src="data:image/png;base64,{}">'
    ).format(kind, width, height, CAPTIONS.get(path.stem, path.stem), note, data)
    return Picture(element, width > _WIDE * height)
