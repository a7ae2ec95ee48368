"""Checkpoints: everything comes back to the last bit; damaged files are passed over."""

import os

import numpy as np
import pytest

from tests.cases import Case
from tf_sintrovae.checkpoints import Checkpoints
from tf_sintrovae.errors import UserError

CASE = Case("points", "warm_started")


def compiled(case=CASE, **settings):
    model = case.model(**settings)
    model.compile("adam", "adam", "adam")
    return model


def variables(model):
    """All that a run consists of: weights, batch-norm statistics, limits, slots and counts, the step."""
    slots = [v for optimizer in model.optimizers for v in optimizer.variables]
    players = (model.encoder, model.decoder, model.prior)
    return [*(v for player in players for v in player.variables), *slots, model.step]


def fill(model, step):
    """Gives every variable values of its own, and the model its step."""
    generator = np.random.default_rng(step)
    for variable in variables(model):
        values = generator.uniform(1, 100, variable.shape)
        variable.assign(values.astype(variable.dtype))
    model.step.assign(step)


def values(model):
    return [variable.numpy() for variable in variables(model)]


def assert_holds(model, step):
    """The model holds what `fill` gave it at `step`."""
    expected = compiled()
    fill(expected, step)
    for actual, wanted in zip(values(model), values(expected), strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of the steps 5, 10 and 15."""
    model = compiled()
    checkpoints = Checkpoints(model, tmp_path)
    for step in (5, 10, 15):
        fill(model, step)
        checkpoints.save()
    return tmp_path


def restored(folder):
    """A new model from the checkpoints in `folder`."""
    model = compiled()
    step = Checkpoints(model, folder).restore()
    assert step == int(model.step.numpy())
    return model, step


def test_nothing_to_restore_leaves_the_model_as_it_is(tmp_path):
    model = compiled()
    before = values(model)
    assert Checkpoints(model, tmp_path / "none").restore() == 0
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    "case", [CASE, Case("images", "mixture"), Case("points", "standard_normal")]
)
def test_every_variable_comes_back(case, tmp_path):
    model, other = compiled(case), compiled(case)
    fill(model, 7)
    Checkpoints(model, tmp_path).save()
    assert Checkpoints(other, tmp_path).restore() == 7
    assert len(values(other)) > 20
    for expected, actual in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_last_three_are_kept_and_the_newest_is_restored(folder):
    model = compiled()
    checkpoints = Checkpoints(model, folder)
    checkpoints.restore()
    assert_holds(model, 15)
    fill(model, 20)
    checkpoints.save()
    assert sorted(path.stem for path in folder.glob("*.index")) == ["ckpt-10", "ckpt-15", "ckpt-20"]


def cut(path, size):
    os.truncate(path, size)


def flip(path):
    """Alters one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "data cut in half": lambda data, index: cut(data, data.stat().st_size // 2),
    "data short of a byte": lambda data, index: cut(data, data.stat().st_size - 1),
    "data empty": lambda data, index: cut(data, 0),
    "data missing": lambda data, index: data.unlink(),
    "data altered": lambda data, index: flip(data),
    "index cut in half": lambda data, index: cut(index, index.stat().st_size // 2),
    "index empty": lambda data, index: cut(index, 0),
    "index altered": lambda data, index: flip(index),
}


def damage(folder, step, kind):
    path = folder / f"ckpt-{step}"
    DAMAGES[kind](path.with_suffix(".data-00000-of-00001"), path.with_suffix(".index"))


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(kind, folder, caplog):
    damage(folder, 15, kind)
    model, step = restored(folder)
    assert step == 10
    assert_holds(model, 10)
    assert "ckpt-15 cannot be read: " in caplog.text


@pytest.mark.parametrize("content", [None, "", "model_checkpoint_path: nonsense {"])
def test_the_list_of_checkpoints_is_not_needed(content, folder):
    """A process may be killed before it has written the list; the files themselves count."""
    if content is None:
        (folder / "checkpoint").unlink()
    else:
        (folder / "checkpoint").write_text(content)
    assert_holds(restored(folder)[0], 15)


def test_when_all_are_damaged_the_user_is_told(folder, caplog):
    for step in (5, 10, 15):
        damage(folder, step, "data cut in half")
    with pytest.raises(UserError, match=r"none of the checkpoints in .* --overwrite"):
        restored(folder)
    assert caplog.text.count("cannot be read") == 3


def test_a_checkpoint_of_another_model_is_not_taken(folder):
    model = compiled(Case("images", "warm_started"))
    with pytest.raises(UserError, match="none of the checkpoints"):
        Checkpoints(model, folder).restore()


def test_saving_over_a_damaged_one_mends_it(folder):
    damage(folder, 15, "data cut in half")
    model = compiled()
    checkpoints = Checkpoints(model, folder)
    checkpoints.restore()
    fill(model, 15)
    checkpoints.save()
    assert_holds(restored(folder)[0], 15)
