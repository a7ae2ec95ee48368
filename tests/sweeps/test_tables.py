"""Rows, means, differences and tables, against numbers worked by hand."""

import csv
import math

import numpy as np
import pytest

from tests.support.fake_jobs import finished, make_sweep
from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps import outcome, rows, summary, tables
from tf_sintrovae.sweeps.estimates import Estimate, estimate, paired_difference
from tf_sintrovae.sweeps.folder import Record, SweepFolder

SWEEP = make_sweep(metrics={"score": "min", "gain": "max", "size": None})
# score of a: 1, 2, 6 (mean 3); of b: 4, 2, missing (mean 3); gain of b alone; size of none.
VALUES = {
    "a-seed0": {"score": 1.0},
    "a-seed1": {"score": 2.0},
    "a-seed2": {"score": 6.0},
    "b-seed0": {"score": 4.0, "gain": 0.5},
    "b-seed1": {"score": 1.0, "gain": float("nan")},
}


def made_rows():
    return [{"job": name, **values} for name, values in VALUES.items()]


def test_means_and_intervals_by_hand():
    assert estimate([]) is None
    single = estimate([2.5])
    assert (single.mean, single.num_seeds) == (2.5, 1) and math.isnan(single.low)
    # Of 2 values the means of resamples are 1, 2, 3 with chances 1/4, 1/2, 1/4: the percentiles are the ends.
    assert estimate([1.0, 3.0]) == Estimate(2.0, 1.0, 3.0, 2)
    assert estimate([2.0, 2.0, 2.0]) == Estimate(2.0, 2.0, 2.0, 3)


def test_the_interval_is_that_of_the_normal_theory_for_many_values():
    values = np.random.default_rng(0).normal(size=400)
    found = estimate(list(values))
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert found == estimate(list(values))  # the same whenever it is taken


def test_differences_are_taken_over_common_seeds():
    found = paired_difference({0: 1.0, 1: 2.0, 2: 6.0}, {0: 4.0, 1: 1.0, 5: 0.0})
    assert found == Estimate(-1.0, -3.0, 1.0, 2)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_a_table_by_hand():
    ((means, differences),) = summary.summarise(SWEEP, made_rows())
    assert tables.markdown(means) == (
        "### a sweep\n"
        "\n"
        "|  | a | b |\n"
        "| --- | --- | --- |\n"
        "| `score` ↓ | 3 [1, 6] (n=3) | **2.5 [1, 4] (n=2 of 3)** |\n"
        "| `gain` ↑ | missing | 0.5 (n=1 of 3) |\n"
        "| `size` | missing | missing |\n"
    )
    assert tables.markdown(differences) == (
        "### a sweep: differences by seed\n"
        "\n"
        "|  | b − a |\n"
        "| --- | --- |\n"
        "| `score` ↓ | 1 [-1, 3] (n=2 of 3) |\n"
        "| `gain` ↑ | missing |\n"
        "| `size` | missing |\n"
    )


def test_what_rounding_leaves_of_equal_values_is_zero():
    assert tables.cell(Estimate(-2.8e-17, -5.6e-17, 0.1, 2), 2) == "0 [0, 0.1] (n=2)"
    assert tables.cell(Estimate(9.06e-8, 9.05e-8, 9.07e-8, 2), 2).startswith("9.06e-08 [9.05e-08")


def test_the_best_is_marked_by_direction_and_ties_are_shared():
    values = {"a-seed0": (1.0, 1.0), "b-seed0": (1.0, 2.0)}
    made = [{"job": name, "score": s, "gain": g, "size": g} for name, (s, g) in values.items()]
    ((means, _),) = summary.summarise(SWEEP, made)
    marks = [[means.is_best(row, column) for column in range(3)] for row in range(2)]
    assert marks == [[True, False, False], [True, True, False]]


def test_metrics_are_columns_where_they_are_few():
    sweep = make_sweep(seeds=[0], metrics={"score": "min"})
    made = [{"job": job.name, "score": 1.0 + i} for i, job in enumerate(sweep.jobs)]
    ((means, _),) = summary.summarise(sweep, made)
    assert tables.markdown(means).splitlines()[2:] == [
        "|  | `score` ↓ |",
        "| --- | --- |",
        "| a | **1 (n=1)** |",
        "| b | 2 (n=1) |",
    ]


def test_chosen_comparisons_and_a_table_for_each_level():
    sweep = make_sweep(
        grids=[{"data": {"x": {}, "y": {}}, "variant": {"a": {}, "b": {}, "c": {}}}],
        seeds=[0],
        metrics={"score": "min"},
        tables_by=["data"],
        comparisons=[["c", "b"]],
    )
    made = [{"job": job.name, "score": float(i)} for i, job in enumerate(sweep.jobs)]
    (x, x_differences), (y, _) = summary.summarise(sweep, made)
    assert (x.title, y.title) == ("x", "y")
    assert [label for label, _ in y.rows] == ["a", "b", "c"]
    assert [label for label, _ in x_differences.rows] == ["c − b"]
    assert x_differences.rows[0][1][0].mean == 1.0


def test_latex_is_escaped_and_marked():
    sweep = make_sweep(("50%_a", "b"), [0], metrics={"score_1": "min"})
    made = [{"job": job.name, "score_1": 1.0 + i} for i, job in enumerate(sweep.jobs)]
    ((means, differences),) = summary.summarise(sweep, made)
    text = tables.latex(means)
    assert r"& score\_1 $\downarrow$ \\" in text
    assert r"50\%\_a & \textbf{1 (n=1)} \\" in text
    assert text.count(r"\begin{tabular}{ll}") == text.count(r"\end{tabular}") == 1
    assert r"b $-$ 50\%\_a & 1 (n=1) \\" in tables.latex(differences)
    assert tables.latex(differences).count("textbf") == 0


def test_rows_are_tidy_and_the_csv_holds_them(tmp_path):
    folder = SweepFolder(tmp_path, "last")
    versions = {"tensorflow": "2.21.0"}
    finished(folder, SWEEP.jobs[0], step=7, epoch=3, metrics={"score": 1.5}, versions=versions)
    errors = {"iwae": "it failed, twice"}
    finished(folder, SWEEP.jobs[3], step=8, epoch=3, metrics={"fid/x": 2.0}, errors=errors)
    folder.run(SWEEP.jobs[4]).mkdir(parents=True)
    folder.write_record(SWEEP.jobs[4], Record(SWEEP.jobs[4].arguments, 2, "error: no", 3.0, 1.0))
    rows.write_csv(rows.collect_rows(SWEEP, folder), tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["job"] for row in read] == ["a-seed0", "b-seed1", "a-seed2"]
    assert read[0].pop("arguments") == "--preset=digits --seed=0"
    assert read[0] == {
        **{"job": "a-seed0", "variant": "a", "seed": "0", "status": "finished"},
        **{
            "checkpoint": "last",
            "step": "7",
            "epoch": "3",
            "seconds": "12.5",
            "threads": "2",
            "score": "1.5",
        },
        **{"fid/x": "", "version/tensorflow": "2.21.0", "error": ""},
    }
    assert (read[1]["status"], read[1]["error"]) == ("incomplete", "iwae: it failed, twice")
    assert (read[2]["status"], read[2]["error"]) == ("failed", "error: no")


def test_rows_from_elsewhere_count_where_nothing_was_done_here(tmp_path):
    """The table of one folder, carried to another: its runs are done there, and written with the others."""
    first, second = SweepFolder(tmp_path / "first", "last"), tmp_path / "second"
    versions = {"tensorflow": "2.20"}
    for job, score in ((SWEEP.jobs[0], 1e-7), (SWEEP.jobs[1], 2.5)):
        finished(first, job, step=7, metrics={"score": score, "nats": -3}, versions=versions)
    first.write_record(SWEEP.jobs[1], Record(["--other"], 0, "done", 1.0, 1.0))
    outcome.write_outcome(SWEEP, first)
    kept = rows.read_csv(first.root / "table.csv")
    assert list(kept) == ["a-seed0"]

    folder = SweepFolder(second, "last", kept)
    assert [folder.is_finished(job) for job in SWEEP.jobs] == [True] + 5 * [False]
    finished(folder, SWEEP.jobs[2], step=8, metrics={"score": 4.0, "nats": -4}, versions=versions)
    outcome.write_outcome(SWEEP, folder)
    both = (second / "table.csv").read_text().splitlines()
    assert both[:2] == (first.root / "table.csv").read_text().splitlines()
    assert [row["score"] for row in rows.collect_rows(SWEEP, folder)] == [1e-7, 4.0]

    finished(folder, SWEEP.jobs[0], step=9, metrics={"score": 5.0}, versions=versions)
    assert [row["score"] for row in rows.collect_rows(SWEEP, folder)] == [5.0, 4.0]
    other = {name: row | {"arguments": "--preset=mnist"} for name, row in kept.items()}
    failed = {name: row | {"status": "failed"} for name, row in kept.items()}
    best = SweepFolder(tmp_path / "third", "best", kept)
    for each in (
        SweepFolder(tmp_path / "third", "last", other),
        SweepFolder(tmp_path / "third", "last", failed),
        best,
    ):
        assert not each.is_finished(SWEEP.jobs[0])


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "cannot be read"), ("a,b\n1,2\n", "no table of runs"), ("\xff", "cannot be read")],
)
def test_what_is_no_table_is_named(content, part, tmp_path):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=part) as caught:
        rows.read_csv(path)
    assert str(path) in str(caught.value)


def test_the_best_checkpoint_has_results_of_its_own(tmp_path):
    folder = SweepFolder(tmp_path, "best")
    finished(folder, SWEEP.jobs[0], metrics={"score": 1.0})
    assert rows.collect_rows(SWEEP, folder)[0]["status"] == "failed"
    path = folder.run(SWEEP.jobs[0]) / "results_best.json"
    path.write_text('{"metrics": {"score": 0.5}, "step": 4}')
    (row,) = rows.collect_rows(SWEEP, folder)
    assert (row["checkpoint"], row["score"], row["step"]) == ("best", 0.5, 4)


def test_a_sweep_without_any_run_has_a_table_of_missing_cells(tmp_path):
    outcome.write_outcome(SWEEP, SweepFolder(tmp_path, "last"))
    text = (tmp_path / "table.md").read_text()
    assert "Of 6 runs 0 are finished, 0 lack some metrics and 0 have failed" in text
    assert "| `gain` ↑ | missing | missing |" in text
    assert not (tmp_path / "figures").exists()
