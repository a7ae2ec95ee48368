"""The documents, and the examples in them: code blocks that follow a marker `<!-- example: NAME -->`."""

import os
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Example(NamedTuple):
    """A code block: its name, its language, and what it says."""

    name: str
    language: str
    code: str


def examples(page: pathlib.Path) -> list[Example]:
    """The marked code blocks of a page, in their order."""
    found = re.findall(r"<!-- example: (.+?) -->\n```(\w+)\n(.*?)```", page.read_text(), re.S)
    return [Example(*match) for match in found]


def links(page: pathlib.Path) -> list[str]:
    """Targets of a page's links and images, outside of code."""
    return re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`]*`", "`code`", _prose(page)))


def anchors(page: pathlib.Path) -> set[str]:
    """Anchors of a page's headings; those alone that a repository's viewer and MkDocs name alike."""
    titles = re.findall(r"^#+ (.+)$", _prose(page), re.M)
    words = [re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles]
    pairs = [(text.replace(" ", "-"), re.sub(r"[-\s]+", "-", text)) for text in words]
    return {viewer for viewer, site in pairs if viewer == site and viewer.isascii()}


def _prose(page: pathlib.Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.S | re.M)


def run_shell(code: str, folder: pathlib.Path) -> str:
    """Runs commands in a folder, with this Python and this project; returns what they print."""
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", code],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
