"""Checkpoints: everything comes back to the last bit; damaged files are passed over."""

import os
import resource

import numpy as np
import pytest

from tests.support.cases import Case
from tf_sintrovae.errors import UserError
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.divergence import DivergenceError

CASE = Case("points", "warm_started")


def compile_case(case=CASE, **settings):
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
    expected = compile_case()
    fill(expected, step)
    for actual, wanted in zip(values(model), values(expected), strict=True):
        np.testing.assert_array_equal(actual, wanted)


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of the steps 5, 10 and 15."""
    model = compile_case()
    checkpoints = Checkpoints(model, tmp_path)
    for step in (5, 10, 15):
        fill(model, step)
        checkpoints.save()
    return tmp_path


def restore(folder):
    """A new model from the checkpoints in `folder`."""
    model = compile_case()
    step = Checkpoints(model, folder).restore()
    assert step == int(model.step.numpy())
    return model, step


def test_nothing_to_restore_leaves_the_model_as_it_is(tmp_path):
    model = compile_case()
    before = values(model)
    assert Checkpoints(model, tmp_path / "none").restore() == 0
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    "case", [CASE, Case("images", "mixture"), Case("points", "standard_normal")]
)
def test_every_variable_comes_back(case, tmp_path):
    model, other = compile_case(case), compile_case(case)
    fill(model, 7)
    Checkpoints(model, tmp_path).save()
    assert Checkpoints(other, tmp_path).restore() == 7
    assert len(values(other)) > 20
    for expected, actual in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_last_three_are_kept_and_the_newest_is_restored(folder):
    model = compile_case()
    checkpoints = Checkpoints(model, folder)
    checkpoints.restore()
    assert_holds(model, 15)
    fill(model, 20)
    checkpoints.save()
    assert sorted(path.stem for path in folder.glob("*.index")) == ["ckpt-10", "ckpt-15", "ckpt-20"]


def truncate(path, size):
    os.truncate(path, size)


def flip(path):
    """Alters one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "data cut in half": lambda data, index: truncate(data, data.stat().st_size // 2),
    "data short of a byte": lambda data, index: truncate(data, data.stat().st_size - 1),
    "data empty": lambda data, index: truncate(data, 0),
    "data missing": lambda data, index: data.unlink(),
    "data altered": lambda data, index: flip(data),
    "index cut in half": lambda data, index: truncate(index, index.stat().st_size // 2),
    "index empty": lambda data, index: truncate(index, 0),
    "index altered": lambda data, index: flip(index),
}


def damage(folder, step, kind):
    path = folder / f"ckpt-{step}"
    DAMAGES[kind](path.with_suffix(".data-00000-of-00001"), path.with_suffix(".index"))


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(kind, folder, caplog):
    damage(folder, 15, kind)
    model, step = restore(folder)
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
    assert_holds(restore(folder)[0], 15)


def test_when_all_are_damaged_the_user_is_told(folder, caplog):
    for step in (5, 10, 15):
        damage(folder, step, "data cut in half")
    with pytest.raises(UserError, match=r"none of the checkpoints in .* --overwrite"):
        restore(folder)
    assert caplog.text.count("cannot be read") == 3


def test_a_checkpoint_of_another_model_is_not_taken(folder):
    model = compile_case(Case("images", "warm_started"))
    with pytest.raises(UserError, match="none of the checkpoints"):
        Checkpoints(model, folder).restore()


def test_saving_over_a_damaged_one_mends_it(folder):
    damage(folder, 15, "data cut in half")
    model = compile_case()
    checkpoints = Checkpoints(model, folder)
    checkpoints.restore()
    fill(model, 15)
    checkpoints.save()
    assert_holds(restore(folder)[0], 15)


def test_an_entry_that_is_no_checkpoint_is_passed_over(folder, caplog):
    (folder / "ckpt-foo.index").write_text("mine")
    assert_holds(restore(folder)[0], 15)
    assert "ckpt-foo.index is not a checkpoint of a step" in caplog.text


def test_no_flipped_bit_goes_unnoticed(folder):
    """TensorFlow checks the sums of all blocks: what is restored is what was saved, then or before."""
    generator = np.random.default_rng(0)
    model = compile_case()
    checkpoints = Checkpoints(model, folder)
    expected = {}
    for step in (10, 15):
        fill(model, step)
        expected[step] = values(model)
    passed_over = 0
    for name in ("ckpt-15.index", "ckpt-15.data-00000-of-00001") * 8:
        content = (folder / name).read_bytes()
        flipped = bytearray(content)
        flipped[generator.integers(len(content))] ^= 1 << generator.integers(8)
        (folder / name).write_bytes(flipped)
        step = checkpoints.restore()
        passed_over += step == 10
        for actual, wanted in zip(values(model), expected[step], strict=True):
            np.testing.assert_array_equal(actual, wanted)
        (folder / name).write_bytes(content)
    assert passed_over >= 12


# What is never saved ----------------------------------------------------------------------------------


def poison(model, kind):
    """The variable of that kind, with a value that is not finite."""
    variable, value = {
        "a weight": lambda: (model.encoder.trainable_variables[0], np.nan),
        "a statistic": lambda: (model.decoder.non_trainable_variables[-1], np.inf),
        "a pseudo-input": lambda: (model.prior.vamp.pseudo_inputs, -np.inf),
        "a limit": lambda: (model.prior.mixture.min_logvar, np.nan),
        "a moment": lambda: (model.decoder_optimizer.variables[-1], np.nan),
    }[kind]()
    values = variable.numpy().copy()
    values.flat[-1] = value
    variable.assign(values)


def test_what_is_not_finite_is_never_saved(tmp_path):
    model = compile_case(Case("small_images", "warm_started"))
    checkpoints = Checkpoints(model, tmp_path)
    assert np.isinf(model.prior.limits[0].numpy()).all()  # no limit yet, and no fault
    checkpoints.save()
    expected = {
        "a weight": "weights of the encoder",
        "a statistic": "weights of the decoder",
        "a pseudo-input": "weights of the prior",
        "a limit": "weights of the prior",
        "a moment": "decoder's optimizer",
    }
    for step, (kind, name) in enumerate(expected.items(), start=1):
        model.step.assign(step)
        poison(model, kind)
        with pytest.raises(DivergenceError, match=f"diverged at step {step}: {name} not finite"):
            checkpoints.save()
        assert checkpoints.restore() == 0
    assert [path.name for path in tmp_path.glob("*.index")] == ["ckpt-0.index"]


def test_losses_that_were_not_finite_keep_finite_weights_from_being_saved(tmp_path):
    """Of half precision, whose optimizers leave such gradients out."""
    model = compile_case()
    model.diverged.assign([7, 0b110])
    with pytest.raises(DivergenceError, match="diverged at step 7: rec, kl not finite"):
        Checkpoints(model, tmp_path).save()
    assert not list(tmp_path.glob("*.index"))


def test_a_checkpoint_of_before_that_is_not_finite_is_passed_over(folder, caplog, monkeypatch):
    model = compile_case()
    checkpoints = Checkpoints(model, folder)
    fill(model, 20)
    poison(model, "a moment")
    with monkeypatch.context() as context:
        context.setattr(checkpoints, "check_finite", lambda: None)
        checkpoints.save()
    model.diverged.assign([21, 1])
    assert checkpoints.restore() == 15
    assert "ckpt-20 cannot be read: decoder's optimizer not finite" in caplog.text
    assert model.divergence is None


# The state of the run ---------------------------------------------------------------------------------


def test_stage_and_hand_over_come_from_the_checkpoint(tmp_path):
    model = compile_case()
    checkpoints = Checkpoints(model, tmp_path)
    model.hand_over()
    model.start_introspection()
    limits = model.prior.mixture.max_logvar.numpy()
    checkpoints.state.hand_over_step.assign(4)
    checkpoints.save()
    other = compile_case()
    restored = Checkpoints(other, tmp_path)
    restored.restore()
    assert (other.stage, other.prior.handed_over) == ("introspective", True)
    assert int(restored.state.hand_over_step.numpy()) == 4
    other.prior.mixture.logvar.assign_add(np.ones(other.prior.mixture.logvar.shape))
    other.start_introspection()  # again: the range stays the one of the first time
    np.testing.assert_array_equal(other.prior.mixture.max_logvar, limits)


def test_going_back_to_before_a_change_undoes_it(tmp_path):
    model = compile_case()
    checkpoints = Checkpoints(model, tmp_path)
    checkpoints.save()
    model.hand_over()
    model.start_introspection()
    checkpoints.restore()
    assert (model.stage, model.prior.handed_over) == ("vae", False)
    assert np.isinf(model.prior.mixture.max_logvar.numpy()).all()


def test_a_full_disk_is_one_clear_line_and_the_one_before_stays(folder):
    """Files may grow to 4 KiB only, which is what a write meets on a full disk but for the error's number."""
    model = compile_case()
    checkpoints = Checkpoints(model, folder)
    fill(model, 20)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(
            UserError, match=r"step 20 cannot be written .*goes on from step 15"
        ) as error:
            checkpoints.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(error.value)
    assert not list(folder.glob("*temp*"))
    assert not list(folder.glob("ckpt-20*"))
    assert_holds(restore(folder)[0], 15)
    checkpoints.save()
    assert_holds(restore(folder)[0], 20)
