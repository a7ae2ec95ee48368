"""Lines of a terminal: which form fits, and what is printed over them."""

import io
import sys

import pytest

from tf_sintrovae import terminal


@pytest.fixture(autouse=True)
def ten_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")


@pytest.mark.parametrize(
    ("forms", "chosen"),
    [
        (["123456789", "1"], "123456789"),
        (["1234567890", "12345", "1"], "12345"),
        (["1234567890", "12345678901"], "12345678901"),  # none fits: the last one, to be cut
    ],
)
def test_the_first_form_that_fits_is_chosen(forms, chosen):
    assert terminal.fit(forms) == chosen


def test_a_line_covers_the_one_before_and_never_wraps():
    stream = io.StringIO()
    terminal.redraw("1234567890", stream)
    terminal.redraw("ab", stream)
    assert stream.getvalue() == "\r123456789\rab       "


@pytest.mark.parametrize(
    ("drawn", "printed"), [(False, "hello\n"), (True, f"\r{' ' * 9}\rhello\n")]
)
def test_what_is_said_stands_in_a_line_of_its_own(drawn, printed, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: drawn)
    terminal.say("hello")
    assert capsys.readouterr().out == printed
