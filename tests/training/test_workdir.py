"""The folder of a run: one run, one process, nothing lost."""

import dataclasses
import signal
import subprocess
import sys

import pytest

from tf_sintrovae import files
from tf_sintrovae.config import Config, read_config
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import history, workdir


def config(folder, **settings) -> Config:
    return Config(workdir=str(folder), **settings)


def begin(folder, **settings) -> None:
    """A run that has trained something."""
    with workdir.open_workdir(config(folder, **settings)) as opened:
        (opened.checkpoints / "ckpt-3.index").write_text("weights")
        opened.history.write_text("losses\n")


def contents(folder) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_finds_its_folders_and_leaves_its_settings(tmp_path):
    settings = config(tmp_path / "deep" / "run", seed=3)
    with workdir.open_workdir(settings) as opened:
        for folder in (opened.checkpoints, opened.tensorboard, opened.figures):
            assert folder.is_dir()
    assert read_config(opened.root) == settings
    assert "--seed=3\n" in (opened.root / "flags.txt").read_text()


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with workdir.open_workdir(config("~/run")) as opened:
        assert opened.root == tmp_path / "run"


def test_the_same_run_goes_on_and_so_it_does_with_changeable_settings(tmp_path):
    begin(tmp_path)
    begin(tmp_path, epochs=500, jit_compile="false", checkpoint_seconds=1.0)
    assert read_config(tmp_path).epochs == 500


def change(name) -> Config:
    """The defaults with another value of the setting `name`."""
    default = getattr(Config(), name)
    others = {
        "dataset": "rings",
        "image_size": 4,
        "steps_per_epoch": 3,
        "widths": (3,),
        "lr_milestones": (3,),
        "prior": "standard_normal",
        "prior_player": "none",
        "prior_learning_rate": 0.5,
        "clip_norm": 1.0,
        "ema_decay": 0.9,
        "init_from": "elsewhere",
        "mixed_precision": "bfloat16",
    }
    if isinstance(default, bool):
        return {name: not default}
    return {name: others[name] if name in others else default + 1}


@pytest.mark.parametrize(
    "name",
    [f.name for f in dataclasses.fields(Config) if f.name not in workdir.CHANGEABLE],
)
def test_a_setting_that_shaped_the_run_cannot_change(name, tmp_path):
    begin(tmp_path)
    before = contents(tmp_path)
    with (
        pytest.raises(UserError, match=rf"other settings:.* {name}=.* \(was .*--overwrite"),
        workdir.open_workdir(config(tmp_path, **change(name))),
    ):
        pass
    assert contents(tmp_path) == before


def test_a_start_that_failed_before_training_does_not_bind_the_next(tmp_path):
    with workdir.open_workdir(config(tmp_path, num_components=9999)):
        pass  # the data set was too small for them
    begin(tmp_path, num_components=10)
    assert read_config(tmp_path).num_components == 10


def test_overwrite_removes_the_run_and_nothing_else(tmp_path):
    begin(tmp_path)
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "snapshots").mkdir()
    for name in ("run.json", "components.json", "report.html"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    with workdir.open_workdir(config(tmp_path, seed=1, overwrite=True)):
        pass
    assert set(contents(tmp_path)) == {".lock", "config.json", "flags.txt", "notes.txt"}
    assert not (tmp_path / "saved_model").exists() and not (tmp_path / "snapshots").exists()


def test_the_flags_of_a_run_never_ask_to_overwrite_it(tmp_path):
    with workdir.open_workdir(config(tmp_path, overwrite=True)):
        pass
    assert "--nooverwrite\n" in (tmp_path / "flags.txt").read_text()
    assert not read_config(tmp_path).overwrite


def test_a_damaged_config_is_named_and_can_be_overwritten(tmp_path):
    begin(tmp_path)
    (tmp_path / "config.json").write_text('{"epochs": ')
    with (
        pytest.raises(UserError, match=r"config\.json: not a config\.json .*--overwrite"),
        workdir.open_workdir(config(tmp_path)),
    ):
        pass
    with workdir.open_workdir(config(tmp_path, overwrite=True)):
        pass


def test_a_folder_below_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"workdir .*/file/run cannot be written .*--workdir"),
        workdir.open_workdir(config(tmp_path / "file" / "run")),
    ):
        pass


def test_a_second_user_is_refused_and_changes_nothing(tmp_path):
    begin(tmp_path)
    with workdir.open_workdir(config(tmp_path)):
        before = contents(tmp_path)
        with (
            pytest.raises(UserError, match=r"in use by another process"),
            workdir.open_workdir(config(tmp_path, overwrite=True)),
        ):
            pass
        assert contents(tmp_path) == before
    begin(tmp_path)  # released


def test_the_folder_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from tf_sintrovae import config; from tf_sintrovae.training import workdir\n"
        "with workdir.open_workdir(config.Config(workdir=sys.argv[1])):\n"
        " print('open', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "open\n"
    with pytest.raises(UserError, match="in use"), workdir.open_workdir(config(tmp_path)):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begin(tmp_path)


def test_a_text_is_the_old_one_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    files.write_atomically(path, "old")

    def broken(source, target):
        assert source.read_text() == "new"
        raise OSError("no space")

    with monkeypatch.context() as context:
        context.setattr(files.os, "replace", broken)
        with pytest.raises(OSError, match="no space"):
            files.write_atomically(path, "new")
    assert path.read_text() == "old"
    files.write_atomically(path, "new")
    assert path.read_text() == "new"


# After a divergence ---------------------------------------------------------------------------------

TUNED = {
    "learning_rate": 1e-5,
    "prior_learning_rate": 1e-4,
    "lr_milestones": (30,),
    "beta_neg": 2.0,
    "clip_variance": False,
}


def diverge(folder) -> None:
    history.append(folder / "history.jsonl", {"event": "diverged", "step": 4, "terms": ["kl"]})


def test_after_a_divergence_optimisation_may_change_from_a_step_on(tmp_path):
    begin(tmp_path)
    diverge(tmp_path)
    before = contents(tmp_path)
    with workdir.open_workdir(config(tmp_path, epochs=9, **TUNED)) as opened:
        assert set(opened.changes) == set(TUNED)
        assert contents(tmp_path) == before  # the step is not known yet
        opened.adopt_changes(config(tmp_path, epochs=9, **TUNED), 3)
    assert read_config(tmp_path) == config(tmp_path, epochs=9, **TUNED)
    [_, event] = history.read_events(tmp_path / "history.jsonl")
    assert (event["event"], event["step"]) == ("settings", 3)
    assert event["changed"]["beta_neg"] == [Config().beta_neg, 2.0]
    assert event["changed"]["lr_milestones"] == [[], [30]]
    with workdir.open_workdir(config(tmp_path, epochs=9, **TUNED)) as opened:
        assert opened.changes == {}


@pytest.mark.parametrize("changes", [{"seed": 5}, {"seed": 5, "learning_rate": 1e-5}])
def test_after_a_divergence_what_shaped_the_weights_may_not(changes, tmp_path):
    begin(tmp_path)
    diverge(tmp_path)
    with (
        pytest.raises(UserError, match=r"other settings: seed=5 \(was 0\);"),
        workdir.open_workdir(config(tmp_path, **changes)),
    ):
        pass


def test_every_tunable_and_changeable_setting_exists():
    names = {field.name for field in dataclasses.fields(Config)}
    assert names >= workdir.TUNABLE | workdir.CHANGEABLE
    assert not workdir.TUNABLE & workdir.CHANGEABLE


# The data of a run ----------------------------------------------------------------------------------

DATA = {"count": 700, "shape": [8, 8, 1], "content": "aa"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 800}, "began with: count 700 -> 800; give"),
        ({"count": None}, "count 700 -> endless; give"),
        ({"shape": [2]}, "shape 8x8x1 -> 2; give"),
        ({"content": "bb"}, "their content has changed; give"),
        ({"count": 800, "content": "bb"}, "count 700 -> 800, their content has changed; give"),
    ],
)
def test_other_data_than_before_are_refused_with_what_changed(changes, message, tmp_path):
    with workdir.open_workdir(config(tmp_path)) as opened:
        opened.check_data(DATA)
    begin(tmp_path)
    with workdir.open_workdir(config(tmp_path)) as opened:
        opened.check_data(DATA)
        with pytest.raises(UserError, match=f"{message} .*--overwrite"):
            opened.check_data(DATA | changes)
        opened.check_data(DATA)
    with workdir.open_workdir(config(tmp_path, overwrite=True)) as opened:
        opened.check_data(DATA | changes)


def test_data_bind_a_run_only_once_it_has_trained(tmp_path):
    for count in (700, 800):
        with workdir.open_workdir(config(tmp_path)) as opened:
            opened.check_data(DATA | {"count": count})
    begin(tmp_path)
    (tmp_path / "data.json").unlink()  # as of a version that did not keep it
    for _ in range(2):
        with workdir.open_workdir(config(tmp_path)) as opened:
            opened.check_data(DATA)


@pytest.mark.parametrize("content", ["", "{", "7"])
def test_a_damaged_fingerprint_is_named(content, tmp_path):
    begin(tmp_path)
    (tmp_path / "data.json").write_text(content)
    with (
        workdir.open_workdir(config(tmp_path)) as opened,
        pytest.raises(UserError, match=r"data\.json cannot be read: .*--overwrite"),
    ):
        opened.check_data(DATA)
