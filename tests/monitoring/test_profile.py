"""The graph and the profile of some training steps."""

import pytest

from tests.support.runs import PLANE, trained
from tests.support.tensorboard_events import series
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError


def test_the_graph_and_a_profile_of_the_steps_are_recorded_once(tmp_path):
    """Steps 4 and 5 lie in the second stretch of the run, after the hand-over before step 3."""
    trained(tmp_path, **PLANE | {"profile_steps": (4, 5), "epochs": 3})
    folder = tmp_path / "tensorboard" / "profile"
    assert len(list(folder.rglob("*.xplane.pb"))) == 1
    ((step, graph),) = series(folder)["train_step"]
    assert step == 5
    assert b"soft_intro_vae" in graph.item()


@pytest.mark.parametrize("steps", [(3,), (5, 4), (1, 2, 3), (1, 101)])
def test_steps_that_cannot_be_profiled_are_refused(steps):
    with pytest.raises(UserError, match=r"profile_steps=.*: expected a first and a last step"):
        Config(profile_steps=steps)


def test_a_first_and_a_last_step_are_taken():
    assert Config(profile_steps=(1, 100)).profile_steps == (1, 100)
