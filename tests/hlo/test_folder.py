"""The state of a training: whole or not at all, and only for its own run."""

import json

import numpy as np
import pytest

from benchmarks.hlo import arrays
from benchmarks.hlo.errors import ExportError
from benchmarks.hlo.folder import TrainingFolder, step_name
from tf_sintrovae.training import history

SETTINGS = {"dataset": "digits", "seed": 0}
STATE = {"run/000/step": np.int64(7), "encoder/000/kernel": np.ones((2, 3), np.float32)}


def test_a_state_comes_back_as_it_was(tmp_path):
    folder = TrainingFolder(tmp_path / "new", SETTINGS)
    assert folder.read() is None
    folder.save(STATE)
    state = folder.read()
    assert set(state) == set(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(state[name], value)
        assert state[name].dtype == value.dtype
    assert int(state[step_name(state)]) == 7


def test_a_state_of_another_run_is_refused(tmp_path):
    TrainingFolder(tmp_path, SETTINGS).save(STATE)
    with pytest.raises(ExportError, match="other settings"):
        TrainingFolder(tmp_path, SETTINGS | {"seed": 1}).read()


def test_a_save_that_fails_leaves_the_state_before(tmp_path, monkeypatch):
    folder = TrainingFolder(tmp_path, SETTINGS)
    folder.save(STATE)

    def fail(file, **values):
        file.write(b"half of a state")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(arrays.np, "savez", fail)
        with pytest.raises(OSError, match="no space"):
            folder.save(STATE | {"run/000/step": np.int64(8)})
    assert int(folder.read()["run/000/step"]) == 7


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_state_is_told(tmp_path, content):
    folder = TrainingFolder(tmp_path, SETTINGS)
    folder.state.write_bytes(content)
    with pytest.raises(ExportError, match=r"state\.npz cannot be read"):
        folder.read()


def test_losses_are_those_of_a_workdir(tmp_path):
    folder = TrainingFolder(tmp_path, SETTINGS)
    for loss in (3.0, 2.0):  # an epoch that was trained again
        folder.record({"epoch": 1, "step": 2, "stage": "vae", "loss": loss})
    assert history.read_history(folder.history) == [
        {"epoch": 1, "step": 2, "stage": "vae", "loss": 2.0}
    ]
    assert len(list(map(json.loads, folder.history.read_text().splitlines()))) == 2
