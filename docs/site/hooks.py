"""What MkDocs would not do with the pages by itself: the README becomes the first page of the site."""

import pathlib
import re

from mkdocs.structure.files import File

README = pathlib.Path(__file__).parents[2] / "README.md"


def on_files(files, config):
    """Adds the README as `index.md`; its links lead into the site."""
    text = re.sub(r"\]\(docs/", "](", README.read_text())
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns the other pages' links to the README into links to the site's first page."""
    return markdown.replace("](../README.md", "](index.md")
