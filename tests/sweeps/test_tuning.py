"""Settings taken from grid searches."""

import pytest

from tests.support.fake_jobs import finished, make_sweep
from tf_sintrovae import reproduce
from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps import rows, sweep, tuning
from tf_sintrovae.sweeps.folder import Record, SweepFolder

LEVELS = {"variant": {"a": {}, "b": {"learn_weights": False}}}
TUNED = make_sweep(grids=[LEVELS], seeds=[0, 1], tuned_by=["search"])


def search(folder, values, direction="min", levels=LEVELS):
    """A search over beta_rec in {1, 2}; `values` are the metric's, in the order of its runs."""
    grid = make_sweep(
        grids=[levels | {"beta_rec": [1, 2]}], seeds=[0], metrics={"score": direction}
    )
    place = SweepFolder(folder, "last")
    for job, value in zip(grid.jobs, values, strict=False):
        if value is None:
            place.run(job).mkdir(parents=True)
            place.write_record(job, Record(job.arguments, 2, "error: diverged", 1.0, 1.0))
        else:
            finished(place, job, metrics={"score": value})
    return tuning.Search(grid, place)


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [
        ("min", [0.3, 0.1, 0.2, 0.4], {"a": 2, "b": 1}),
        ("max", [0.3, 0.1, 0.2, 0.4], {"a": 1, "b": 2}),
        ("min", [None, 0.5, 0.2, None], {"a": 2, "b": 1}),  # failed runs do not count
        ("max", [None, 0.5, 0.2, None], {"a": 2, "b": 1}),
    ],
)
def test_each_job_takes_the_best_settings_of_its_levels(direction, values, best, tmp_path):
    tuned = tuning.tune(TUNED, [search(tmp_path, values, direction)])
    assert [job.name for job in tuned.jobs] == [job.name for job in TUNED.jobs]
    for job in tuned.jobs:
        assert job.config.beta_rec == best[job.factors["variant"]]
        assert f"--beta_rec={best[job.factors['variant']]}" in job.arguments
        assert job.config.learn_weights == (job.factors["variant"] == "a")


def test_what_was_found_stands_in_the_rows(tmp_path):
    tuned = tuning.tune(TUNED, [search(tmp_path, [0.3, 0.1, 0.2, 0.4])])
    folder = SweepFolder(tmp_path / "tuned", "last")
    finished(folder, tuned.jobs[0], metrics={"score": 1.0})
    (row,) = rows.collect_rows(tuned, folder)
    assert (row["variant"], row["beta_rec"]) == ("a", 2)


def test_a_search_that_is_not_over_is_named(tmp_path):
    with pytest.raises(UserError, match=r"fake is not over: 1 runs such as b-beta_rec=2-seed0"):
        tuning.tune(TUNED, [search(tmp_path, [0.3, 0.1, 0.2])])


def test_a_search_without_a_success_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no run of fake such as a-beta_rec=1-seed0 has score"):
        tuning.tune(TUNED, [search(tmp_path, [None, None, 0.1, 0.2])])


def test_levels_that_no_search_covers_are_named(tmp_path):
    only_a = search(tmp_path, [0.3, 0.1], levels={"variant": {"a": {}}})
    with pytest.raises(UserError, match="none of fake covers b-seed0"):
        tuning.tune(TUNED, [only_a])


@pytest.mark.parametrize("name", ["2d_ablation_tuned", "2d_ablation_tuned_small"])
def test_the_searches_cover_the_sweeps_that_need_them(name, tmp_path):
    chosen = sweep.read(name)
    searches = [sweep.read(each) for each in chosen.tuned_by]
    tuned = tuning.tune(chosen, [tuning.Search(each, _Done(tmp_path, "last")) for each in searches])
    for job in tuned.jobs:
        expected = {"beta_rec", "beta_kl"} | (
            {"beta_neg"} if job.factors["variant"].startswith("S-") else set()
        )
        assert job.tuned.keys() == expected


class _Done(SweepFolder):
    """A folder where every run is finished."""

    def is_finished(self, job):
        return True

    def results(self, job):
        return {"metrics": {"kl_authors": 1.0}}


def test_the_command_wants_the_searches_first(tmp_path):
    with pytest.raises(UserError, match="2d_vae_grid_small is not over: 9 runs"):
        reproduce.read_tuned("2d_ablation_tuned_small", tmp_path)
