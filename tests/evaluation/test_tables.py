"""The tables of an evaluation: the whole one, and the short one at the end of a run."""

import pathlib

from tf_sintrovae.evaluation import results
from tf_sintrovae.evaluation.outcome import Outcome

FILE = pathlib.Path("run/results.json")


def outcome(metrics, spread=None, errors=None):
    return Outcome(metrics, spread or {}, [0], {}, {}, errors or {}, True, {"elbo": 1.0})


def names(table):
    return [line.split()[0] for line in table.splitlines()]


def test_what_matters_comes_first_and_the_rest_is_in_the_file():
    shares = {f"component_share/{k}": 0.05 for k in range(20)}
    metrics = {
        "elbo_test": -9.0,
        **shares,
        "fid/net": 3.0,
        "fid_floor/net": 1.0,
        "precision/net": 0.5,
    }
    table = results.short_table(outcome(metrics, spread={"elbo_test": 0.25}), FILE)
    assert table.splitlines() == [
        "  fid/net        3  (real against real: 1)",
        "  precision/net  0.5",
        "  elbo_test      -9 +- 0.25",
        "  and 20 more metrics in run/results.json",
    ]


def test_a_few_metrics_are_all_shown_in_their_order():
    metrics = {"svm_few_accuracy_mean": 0.5, "elbo_test": -9.0}
    table = results.short_table(outcome(metrics), FILE)
    assert names(table) == ["svm_few_accuracy_mean", "elbo_test"]


def test_many_metrics_of_which_none_is_a_headline_are_cut():
    table = results.short_table(outcome({f"component_share/{k}": 0.1 for k in range(20)}), FILE)
    assert names(table) == [f"component_share/{k}" for k in range(12)] + ["and"]


def test_failures_stand_below_either_table():
    failed = outcome({"elbo_test": -9.0}, errors={"iwae": "no room"})
    for table in (results.table(failed), results.short_table(failed, FILE)):
        assert table.splitlines()[-1].split() == ["iwae", "failed:", "no", "room"]
    assert "seconds: elbo 1.0" in results.table(failed)


def test_every_headline_is_a_metric_of_some_group():
    """The names are those of docs/evaluation.md, or begin with a stem that is."""
    page = (pathlib.Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    stems = {
        "elbo_test": "`elbo_`",
        "mse_test": "`mse_`",
        "knn5_accuracy_mean": "knn5_accuracy_mean",
    }
    stems["fid_reconstruction"] = "fid_reconstruction/"
    for name in results._HEADLINES:
        assert stems.get(name, name) in page, name
