"""The site of docs/, built by MkDocs: every link leads somewhere, and nothing comes from elsewhere."""

import html.parser
import importlib.util
import os
import pathlib
import subprocess
import sys
import urllib.parse

import pytest

from tests.support.documents import ROOT

NEEDED = ("mkdocs", "mkdocstrings", "mkdocstrings_handlers", "pygments")
INSTALL = f"{sys.executable} -m pip install -e '.[docs]'"
# Attributes whose files a browser fetches by itself.
FETCHED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src")}


class Page(html.parser.HTMLParser):
    """The identifiers of a page, what it links to, and what it fetches."""

    def __init__(self, path):
        super().__init__()
        self.identifiers, self.links, self.fetched = set(), set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.identifiers.add(value)
            elif (tag, name) in FETCHED and not value.startswith("data:"):  # in the page itself
                self.fetched.add(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages of the site by path, built where no network can be reached."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed: {INSTALL}")
    folder = tmp_path_factory.mktemp("site")
    nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {path: Page(path) for path in folder.rglob("*.html")}


def assert_leads_somewhere(link, path, site):
    target, _, anchor = link.partition("#")
    if target in (".", "./"):
        target = "index.html"
    found = (path.parent / urllib.parse.unquote(target)).resolve() if target else path
    assert found.is_file(), f"{path.name}: {link}"
    if anchor and found in site:
        assert urllib.parse.unquote(anchor) in site[found].identifiers, f"{path.name}: {link}"


def is_external(link):
    return link.startswith(("http://", "https://", "//"))


@pytest.mark.slow
def test_the_site_is_whole_and_needs_nothing_from_elsewhere(site):
    pages = {path.name: page for path, page in site.items()}
    sources = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"index"}
    assert {f"{name}.html" for name in sources} <= set(pages)
    assert "tf_sintrovae.model.SoftIntroVAE.compile" in pages["api.html"].identifiers
    for path, page in site.items():
        if path.name == "404.html":  # a server's, with absolute paths
            continue
        for link in page.fetched:
            assert not is_external(link), f"{path.name} fetches {link}"
            assert_leads_somewhere(link, path, site)
        for link in page.links - {"#", "javascript:void(0)"}:
            if not is_external(link):
                assert_leads_somewhere(link, path, site)
    styles = [path.read_text() for path in pathlib.Path(next(iter(site))).parent.rglob("*.css")]
    assert styles and not any("url(http" in style or "@import" in style for style in styles)
