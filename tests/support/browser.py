"""A real browser without a window and without a network."""

import pathlib
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import PIL.Image
import pytest

# However it is driven.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_FLAGS = (
    *FLAGS,
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Shown(NamedTuple):
    """What a browser made of a page.

    Attributes:
        pixels: [H, W, 3] uint8 screenshot.
        console: lines that the page or the browser wrote about it to the console.
    """

    pixels: np.ndarray
    console: list[str]


def require() -> str:
    """The path of the browser; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium here; on Debian and Ubuntu: apt-get install chromium")
    return found


def show(page: pathlib.Path, folder: pathlib.Path, size=(1300, 3000), dark=False) -> Shown:
    """Opens a file in a browser of its own, in a network namespace without a network where that can be had.

    Args:
        page: file to open.
        folder: folder for the screenshot and the browser's own files.
        size: width and height of the window.
        dark: whether the user prefers dark pages.
    """
    picture = folder / f"{page.stem}-{'dark' if dark else 'light'}.png"
    done = subprocess.run(
        [
            *_without_network(),
            require(),
            *_FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={size[0]},{size[1]}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--screenshot={picture}",
            f"file://{page.resolve()}",
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    shutil.rmtree(folder / "profile", ignore_errors=True)
    assert picture.exists(), done.stderr[-2000:]
    pixels = np.asarray(PIL.Image.open(picture).convert("RGB"))
    return Shown(pixels, [line for line in done.stderr.splitlines() if _is_about_the_page(line)])


def _is_about_the_page(line: str) -> bool:
    """Whether a line of the log is the console's, and not of one of the browser's own pages."""
    return ":CONSOLE:" in line and "source: chrome://" not in line


def _without_network() -> list[str]:
    prefix = ["unshare", "--map-root-user", "--net"]
    if shutil.which(prefix[0]) is None:
        return []
    works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    return prefix if works else []


def share_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """The share of the pixels that have a colour."""
    return float(np.mean((pixels == colour).all(axis=-1)))
