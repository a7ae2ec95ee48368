"""The example reports in docs/: they stand alone, are small, and have every part."""

import pathlib

import pytest

from tests.support.html_pages import assert_stands_alone
from tf_sintrovae.reporting import pictures

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "reports"


@pytest.mark.parametrize("name", ["digits", "8gaussians"])
def test_the_examples_have_everything_and_are_small(name):
    text = (FOLDER / f"{name}.html").read_text()
    assert len(text) < 2_000_000
    page = assert_stands_alone(text)
    assert f"{name} finished" in page.text
    assert len(page.pictures()) == len(pictures.CAPTIONS)
    for part in ("Curves", "Components of the prior", "Metrics", "how to read it"):
        assert part in page.text
    assert "/root" not in text and "/tmp" not in text and "/home" not in text


def test_no_other_example_lies_there():
    assert sorted(path.stem for path in FOLDER.iterdir()) == ["8gaussians", "digits"]
