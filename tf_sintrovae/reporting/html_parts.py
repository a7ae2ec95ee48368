"""Parts of HTML pages; every text that is not `Markup` is escaped."""

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

from tf_sintrovae.reporting.style import CSS

# Nothing may be loaded and nothing may run: what a run's files hold is shown, and no more.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PAGE = Markup(
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta http-equiv="Content-Security-Policy" content="{policy}">{refresh}'
    '<link rel="icon" href="data:,"><title>{title}</title><style>{style}</style></head>\n'
    "<body>{body}</body></html>\n"
)


def write_page(title: str, body: Markup, refresh: int | None = None) -> str:
    """A page; `refresh` is the number of seconds after which a browser loads it again, None for never."""
    again = Markup('<meta http-equiv="refresh" content="{}">').format(refresh) if refresh else ""
    return str(
        _PAGE.format(policy=_POLICY, refresh=again, title=title, style=Markup(CSS), body=body)
    )


def join(parts: Iterable[Markup | str]) -> Markup:
    """The parts one after the other."""
    return Markup("\n").join(parts)


def section(title: str, *parts: Markup, when: object = True) -> Markup:
    """Parts under a heading; nothing at all unless `when` holds."""
    if not when:
        return Markup("")
    return Markup("<section><h2>{}</h2>\n{}</section>").format(title, join(parts))


def definitions(pairs: Mapping[str, str]) -> Markup:
    """A table of names and what they stand for."""
    rows = (Markup("<tr><th>{}</th><td>{}</td></tr>").format(*pair) for pair in pairs.items())
    return Markup('<div class="scroll"><table>{}</table></div>').format(join(rows))


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | Markup]], numbers: Sequence[int] = ()
) -> Markup:
    """A table under its heads.

    Args:
        head: texts of the heads.
        rows: texts of the cells.
        numbers: indices of the columns that hold numbers.
    """
    lines = [_row("th", head, numbers), *(_row("td", row, numbers) for row in rows)]
    return Markup('<div class="scroll"><table>{}</table></div>').format(join(lines))


def figure(content: Markup, title: str, text: str = "", is_wide: bool = False) -> Markup:
    """A picture or a chart above its caption; a wide one takes the room of two."""
    caption = Markup("<figcaption><b>{}</b> {}</figcaption>").format(title, text)
    kind = "wide" if is_wide else ""
    return Markup('<figure class="{}">{}{}</figure>').format(kind, content, caption)


def _row(tag: str, cells: Sequence[str | Markup], numbers: Sequence[int]) -> Markup:
    kinds = (' class="number"' if place in numbers else "" for place in range(len(cells)))
    return Markup("<tr>{}</tr>").format(
        Markup("").join(
            Markup(f"<{tag}{kind}>{{}}</{tag}>").format(escape(cell))
            for cell, kind in zip(cells, kinds, strict=True)
        )
    )
