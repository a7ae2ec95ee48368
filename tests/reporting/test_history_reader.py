"""A history is read once, as it grows, whatever is in it."""

import pytest

from tests.support.made_runs import append, rows
from tf_sintrovae.reporting.history_reader import HistoryReader


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.jsonl"


def read(path):
    reader = HistoryReader(path)
    reader.update()
    return reader


def means(reader, name, stage="vae"):
    return [span.mean for span in reader.curves[name, stage].spans]


def test_without_a_file_there_is_nothing(path):
    reader = read(path)
    assert (reader.curves, reader.last, reader.damaged, list(reader.events)) == ({}, {}, 0, [])


def test_stages_curves_and_the_last_epoch(path):
    append(path, *rows(5))
    reader = read(path)
    assert reader.starts == {"vae": 1, "introspective": 4}
    assert means(reader, "rec") == pytest.approx([0.501, 0.502, 0.503])
    assert means(reader, "rec", "introspective") == pytest.approx([0.504, 0.505])
    assert reader.last["epoch"] == 5
    assert reader.recent("exp_elbo_fake") == pytest.approx(0.505)
    assert reader.recent("loss") is None  # of the other stage


def test_what_is_added_is_read_and_nothing_twice(path):
    append(path, *rows(2))
    reader = read(path)
    path.write_text("x" * len(path.read_text()))  # what was read is not looked at again
    append(path, *rows(3)[2:])
    reader.update()
    reader.update()
    assert means(reader, "rec") == pytest.approx([0.501, 0.502, 0.503])


def test_a_line_that_is_being_written_is_left_for_later(path):
    append(path, *rows(1))
    whole = path.read_text()
    path.write_text(whole[:-20])
    reader = read(path)
    assert not reader.last
    path.write_text(whole)
    reader.update()
    assert reader.last["epoch"] == 1 and not reader.damaged


def test_of_two_rows_for_an_epoch_the_later_holds(path):
    append(path, *rows(3), *rows(2, value=9.0)[1:])
    reader = read(path)
    assert means(reader, "rec") == pytest.approx([0.501, 9.002])
    assert reader.last["epoch"] == 2


def test_another_runs_file_is_read_anew(path):
    append(path, *rows(5))
    reader = read(path)
    path.unlink()
    append(path, *rows(1, value=3.0))
    reader.update()
    assert means(reader, "rec") == pytest.approx([3.001])
    assert reader.starts == {"vae": 1}


def test_events_stand_after_the_epoch_that_they_follow(path):
    append(path, *rows(2), {"event": "diverged", "step": 25, "terms": ["kl"]})
    append(path, {"event": "rollback", "step": 25, "to": 22, "rate_factor": 0.5}, *rows(3)[2:])
    reader = read(path)
    assert [(event["event"], event["epoch"]) for event in reader.events] == [
        ("diverged", 2),
        ("rollback", 2),
    ]
    assert reader.counts == {"diverged": 1, "rollback": 1}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        "nothing",
        '{"epoch": "2"}',
        '{"epoch": -1}',
        '{"epoch": true}',
        '{"event": 3}',
        "\xff",
        "[" * 100_000,
        '{"epoch": ' + "9" * 400 + "}",
    ],
    ids=lambda line: line[:20],
)
def test_damaged_lines_are_counted_and_cost_no_others(path, line):
    append(path, *rows(1))
    with path.open("ab") as file:
        file.write(line.encode("latin-1") + b"\n\n")
    append(path, *rows(2)[1:])
    reader = read(path)
    assert reader.damaged == 1
    assert means(reader, "rec") == pytest.approx([0.501, 0.502])


def test_values_that_are_no_numbers_are_left_out(path):
    bad = ['"x"', "null", "NaN", "Infinity", "true", "[1.0]", "1" + "0" * 400]
    for epoch, value in enumerate(bad, start=1):
        with path.open("a") as file:
            file.write(f'{{"epoch": {epoch}, "stage": "vae", "rec": {value}, "kl": 2.0}}\n')
    reader = read(path)
    assert not reader.damaged
    assert means(reader, "kl") == [2.0] * len(bad)
    assert ("rec", "vae") not in reader.curves


def test_names_without_end_take_no_room_without_end(path):
    append(path, {"epoch": 1, "stage": "vae"} | {f"metric{i}": 1.0 for i in range(10_000)})
    assert len(read(path).curves) == 200
