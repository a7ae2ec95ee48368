"""The sweeps that come with the package, and what a file may not hold."""

import json

import pytest

from tests.support.fake_jobs import make_sweep
from tf_sintrovae import config, flag_files
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError
from tf_sintrovae.sweeps import sweep

# The paper's grids, by jobs for each table; algorithm and numbers as the paper has them.
COUNTS = {
    "2d_vae_grid": {81: 12},  # 4 data sets x 3 priors
    "2d_introvae_grid": {210: 20},  # 4 data sets x 5 priors
    "2d_ablation": {40: 4},  # 8 variants x 5 seeds
    "2d_ablation_tuned": {40: 4},
    "mnist": {99: 1},  # (1 + 2 x 2 x 2 x 4) variants x 3 seeds
    "fmnist": {99: 1},
    "cifar10": {99: 1},
    "2d_vae_grid_small": {9: 2},
    "2d_introvae_grid_small": {12: 1},
    "2d_ablation_small": {16: 1},
    "2d_ablation_tuned_small": {4: 1},
    "2d_small": {12: 2},
    "mnist_small": {4: 1},
    "fmnist_small": {5: 1},
    "cifar10_small": {4: 1},
    "digits_small": {40: 1},
}


@pytest.mark.parametrize("name", sweep.names())
def test_a_sweep_has_as_many_jobs_as_the_paper(name):
    read = sweep.read(name)
    tables = [sweep.table_label(read, job.factors) for job in read.jobs]
    counts = [tables.count(table) for table in dict.fromkeys(tables)]
    assert {count: counts.count(count) for count in counts} == COUNTS[name]


def test_every_sweep_of_the_paper_has_a_small_version():
    whole = {name for name in sweep.names() if not name.endswith("_small")}
    assert {f"{name}_small" for name in whole} <= set(sweep.names())


def test_the_grid_of_the_introspective_models_is_the_papers():
    jobs = [
        job
        for job in sweep.read("2d_introvae_grid").jobs
        if job.factors["dataset"] == "rings" and job.factors["variant"] == "S-IntroVAE N(0,I)"
    ]
    found = {(job.config.beta_rec, job.config.beta_kl, job.config.beta_neg) for job in jobs}
    assert found == {
        (rec, kl, round(factor * kl, 3))
        for rec in (0.05, 0.2, 0.3, 0.4, 0.8, 1)
        for kl in (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1)
        for factor in range(1, 6)
    }
    assert {job.config.epochs * job.config.steps_per_epoch for job in jobs} == {30_000}


@pytest.mark.parametrize("name", sweep.names())
def test_the_arguments_of_a_job_give_its_settings(name):
    from absl import flags

    for job in sweep.read(name).jobs[::50]:
        values = flags.FlagValues()
        config.define_flags(values)
        values(["main", *flag_files.expand(job.arguments)])
        assert config.from_flags(values) == job.config


def test_names_of_jobs_are_stable():
    """Runs that are done are found by their names: another name would repeat them."""
    assert sweep.read("2d_small").jobs[0].name == "8gaussians-vae_n_0_i-seed0"
    assert sweep.read("digits_small").jobs[-1].name == "learned_r=100_averaged-seed4"
    assert (
        sweep.read("2d_introvae_grid").jobs[1].name
        == "8gaussians-s_introvae_n_0_i-beta_rec=0.05-beta_kl=0.05-beta_neg=0.1-seed0"
    )
    assert (
        sweep.read("fmnist").jobs[1].name
        == "fixed-num_components=10-learn_weights=false-responsibility_reg=0-seed0"
    )


def test_plain_vaes_are_plain_and_others_are_not():
    for job in sweep.read("2d_ablation").jobs:
        is_plain = job.config.vae_epochs >= job.config.epochs
        assert is_plain == job.factors["variant"].startswith("VAE")


@pytest.mark.parametrize("name", sweep.names())
def test_where_the_best_checkpoint_counts_the_last_is_looked_at_as_well(name):
    read = sweep.read(name)
    for job in read.jobs if read.checkpoint == "best" else ():
        assert job.config.epochs % job.config.eval_epochs == 0


def test_every_variant_runs_before_any_runs_again():
    assert [job.seed for job in make_sweep(seeds=[3, 1]).jobs] == [3, 3, 1, 1]


def test_a_file_of_ones_own_is_read(tmp_path):
    content = {
        "title": "mine",
        "preset": "rings",
        "grids": [{"widths": [[8], [8, 8]]}],
        "seeds": [1],
        "metrics": {"kl_nats": "min"},
    }
    (tmp_path / "mine.json").write_text(json.dumps(content))
    read = sweep.read(str(tmp_path / "mine.json"))
    assert read.name == "mine"
    assert [job.name for job in read.jobs] == ["widths=8-seed1", "widths=8_8-seed1"]
    assert read.jobs[1].arguments == ["--preset=rings", "--widths=8,8", "--seed=1"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"titel": "x"}, ["'titel' is unknown", "title"]),
        ({"title": 3}, ["title: expected a JSON string"]),
        ({"seeds": []}, ["'seeds' is missing or empty"]),
        ({"seeds": [0.5]}, ["whole numbers"]),
        ({"seeds": [0, 0]}, ["two jobs are called a-seed0"]),
        ({"seeds": [-1]}, ["job a-seed-1", "at least 0"]),
        ({"grids": [3]}, ["grids: expected a JSON object"]),
        ({"grids": [{"seed": {"a": {}}}]}, ["a factor cannot be called 'seed'"]),
        ({"grids": [{"v": {"A b": {}, "a_B": {}}}]}, ["two jobs are called a_b-seed0"]),
        ({"settings": {"epoch": 3}}, ["job a-seed0: epoch is no setting"]),
        ({"settings": {"workdir": "x"}}, ["workdir is no setting of a sweep"]),
        ({"settings": {"epochs": 0}}, ["job a-seed0: epochs=0", "at least 1"]),
        ({"settings": {"ema_decay": None}}, ["ema_decay=null cannot be given"]),
        ({"settings": {"prior": "vamp"}}, ["prior=vamp is for plain VAEs"]),
        ({"preset": "nothing"}, ["preset 'nothing' is unknown"]),
        ({"checkpoint": "first"}, ["expected last or best"]),
        ({"checkpoint": "best"}, ["needs the setting best_metric"]),
        ({"metrics": {"score": "least"}}, ["score is 'least'", "min, max or null"]),
        ({"tables_by": ["dataset"]}, ["'dataset' is no factor"]),
        ({"comparisons": [["a", "c"]]}, ["there is no row 'c'", "a; b"]),
        ({"comparisons": [["a"]]}, ["pairs of row labels"]),
    ],
)
def test_what_a_file_may_not_hold_is_named(changes, parts):
    with pytest.raises(UserError) as caught:
        make_sweep(**changes)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("table", "content", "part"),
    [
        ("nothing", None, "expected one of 2d_ablation"),
        ("nowhere.json", None, "cannot be read"),
        ("broken.json", "{", "is not JSON"),
        ("list.json", "[]", "expected a JSON object"),
        ("empty.json", "{}", "'title' is missing"),
    ],
)
def test_files_that_hold_no_sweep_are_named(table, content, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / table).write_text(content)
    with pytest.raises(UserError, match=part) as caught:
        sweep.read(table)
    assert table in str(caught.value)


def test_settings_of_the_small_versions_are_valid_and_shorter():
    for name in ("mnist", "fmnist", "cifar10", "2d_ablation"):
        whole, small = sweep.read(name), sweep.read(f"{name}_small")
        assert small.jobs[0].config.epochs < whole.jobs[0].config.epochs
        assert isinstance(small.jobs[0].config, Config)
