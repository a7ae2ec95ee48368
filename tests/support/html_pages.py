"""What a browser would make of a page: its elements, its text, and what it would load."""

import base64
import html.parser
import re

_VOID = {"meta", "link", "img", "br", "hr"}


class Page(html.parser.HTMLParser):
    """A page that was read.

    Attributes:
        tags: names of all elements.
        attributes: all attributes as `(element, name, value)`.
        text: all text, with single blanks between.
        unclosed: names of elements that are not closed, or closed in another order.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(text)
        self.close()
        self.unclosed += self._open

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self._texts.append(data)

    def pictures(self) -> list[bytes]:
        """The content of the inline PNG pictures."""
        prefix = "data:image/png;base64,"
        sources = [value for tag, name, value in self.attributes if (tag, name) == ("img", "src")]
        return [base64.b64decode(source.removeprefix(prefix), validate=True) for source in sources]


def assert_stands_alone(text: str) -> Page:
    """The page is well formed, runs nothing and loads nothing; returns it."""
    page = Page(text)
    assert not page.unclosed
    assert not {"script", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "xlink:href", "srcset", "action", "background"):
            assert value.startswith(("data:", "#")), (tag, name, value[:100])
        if name == "style":
            assert not re.search(r"url\((?!#)", value)
    assert not re.search(r"@import|url\((?!#)", re.search("<style>(.*?)</style>", text, re.S)[1])
    return page
