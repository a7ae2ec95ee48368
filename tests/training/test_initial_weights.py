"""Runs that start at another run's weights, validate on held-out data, and clip gradients."""

import gc
import math

import numpy as np
import pytest

from tests.support.runs import PLANE, final_state, trained
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.training import history, loop


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run: its model and its folder."""
    folder = tmp_path_factory.mktemp("first")
    return trained(folder, **PLANE), folder


def test_networks_and_prior_start_at_the_other_run_s_and_all_else_anew(first, tmp_path, caplog):
    before, folder = first
    frozen = {"epochs": 1, "vae_epochs": 1, "steps_per_epoch": 1, "learning_rate": 0.0}
    model = trained(tmp_path, **PLANE | frozen, init_from=str(folder))
    assert (int(model.step.numpy()), model.stage) == (1, "vae")
    assert model.prior.handed_over  # a free mixture stays one
    gc.collect()  # TensorFlow warns of what it was not asked to restore when the checkpoint is deleted
    assert "could not be found" not in caplog.text
    for old, new in ((before.encoder, model.encoder), (before.decoder, model.decoder)):
        for one, other in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(before.prior.get_weights(), model.prior.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    moments = [v for name, v in final_state(tmp_path).items() if "_optimizer/_iterations" in name]
    assert moments
    assert all(int(count) <= 1 for count in moments)


def test_a_run_of_other_sizes_or_none_at_all_is_one_clear_error(first, tmp_path):
    _, folder = first
    with pytest.raises(UserError, match=r"not those of these settings .* widths"):
        trained(tmp_path / "a", **PLANE | {"widths": (9,)}, init_from=str(folder))
    with pytest.raises(UserError, match="no checkpoint there"):
        trained(tmp_path / "b", **PLANE, init_from=str(tmp_path / "nowhere"))


def test_validation_is_the_vae_loss_on_the_test_split_and_leaves_training_as_it_is(
    first, tmp_path, recwarn
):
    _, folder = first
    model = trained(tmp_path, **PLANE, validation=True)
    assert not [each for each in recwarn if "ran out of data" in str(each.message)]
    state = final_state(tmp_path)
    for name, value in final_state(folder).items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)
    rows = history.read_history(tmp_path / "history.jsonl")
    terms = {"val_loss", "val_rec", "val_kl"}
    assert all(terms <= set(row) for row in rows)
    batches = loop.validation_batches(registry.load("8gaussians"), PLANE["batch_size"])
    again = model.evaluate(batches, return_dict=True, verbose=0)
    for name in terms:
        assert rows[-1][name] == pytest.approx(float(again[name.removeprefix("val_")]), rel=1e-5)


def encoder_moments(model) -> float:
    """The norm of the first moments that Adam has of the encoder's gradients."""
    moments = [v.numpy() for v in model.encoder_optimizer.variables if "momentum" in v.path]
    assert moments
    return math.sqrt(sum(float(np.sum(np.square(v))) for v in moments))


def test_gradients_are_clipped_to_the_norm_by_player(tmp_path):
    short = PLANE | {"epochs": 1, "steps_per_epoch": 1}
    free = trained(tmp_path / "free", **short)
    assert encoder_moments(free) > 0.1 * 1e-2
    clipped = trained(tmp_path / "clipped", **short, clip_norm=1e-3)
    assert encoder_moments(clipped) == pytest.approx(0.1 * 1e-3, rel=1e-4)


def test_settings_that_cannot_work_together_are_refused():
    with pytest.raises(UserError, match="export is off"):
        Config(best_metric="fid", export=False)
    with pytest.raises(UserError, match="waits for best_metric"):
        Config(early_stop_epochs=3)
