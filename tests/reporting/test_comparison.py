"""Several runs beside each other."""

import dataclasses

from tests.support.html_pages import assert_stands_alone
from tests.support.made_runs import SETTINGS, make_run, picture
from tf_sintrovae.reporting.comparison import comparison_page, run_names
from tf_sintrovae.reporting.run_files import read_run

OTHER = dataclasses.replace(SETTINGS, epochs=5, beta_kl=0.25)


def page_of(*folders):
    return assert_stands_alone(comparison_page([read_run(folder) for folder in folders]))


def test_settings_metrics_and_pictures_stand_side_by_side(tmp_path):
    one = make_run(tmp_path / "one", results={"metrics": {"elbo_test": -80.0, "mse_test": 0.25}})
    results = {"metrics": {"elbo_test": -85.0, "active_units": 3}, "spread": {"elbo_test": 0.5}}
    other = make_run(tmp_path / "other", 5, OTHER, results=results)
    picture(one / "figures" / "samples.png", (1, 2, 3))
    picture(other / "figures" / "samples.png", (4, 5, 6))
    page = page_of(one, other)
    for part in (
        "one / other",
        "one finished epoch 6 of 6, introspective stage",
        "setting one other what it is epochs 6 5 epochs in all",
        "beta_kl 0.35 0.25",
        "elbo_test -80 -85 ± 0.5 Evidence",
        "mse_test 0.25 missing",
        "active_units missing 3",
    ):
        assert part in page.text, part
    assert "vae_epochs 3" not in page.text  # the same in both
    paths = [one / "figures/samples.png", other / "figures/samples.png"]
    assert page.pictures() == [path.read_bytes() for path in paths]


def test_the_best_of_a_row_is_bold_and_a_tie_is_not(tmp_path):
    metrics = [{"elbo_test": -80.0, "mse_test": 0.5}, {"elbo_test": -85.0, "mse_test": 0.5}]
    runs = [
        read_run(make_run(tmp_path / str(i), 0, results={"metrics": each}))
        for i, each in enumerate(metrics)
    ]
    text = comparison_page(runs)
    assert "<b>-80</b>" in text and "<b>-85</b>" not in text and "<b>0.5</b>" not in text


def test_runs_of_one_name_are_told_apart(tmp_path):
    folders = [make_run(tmp_path / name / "run") for name in "ab"]
    assert run_names([read_run(folder) for folder in folders]) == ["a/run", "b/run"]
    twice = run_names([read_run(folders[0])] * 2)
    assert len(set(twice)) == 2


def test_runs_without_anything_have_a_page(tmp_path):
    page = page_of(make_run(tmp_path / "a", 0), make_run(tmp_path / "b", 0))
    assert "No epoch is complete yet." in page.text
