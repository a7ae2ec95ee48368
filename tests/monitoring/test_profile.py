"""The graph and the profile of some training steps."""

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from tests.support.runs import PLANE, assert_same_state, final_state, trained
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError


def test_the_graph_and_a_profile_of_the_steps_are_recorded_once(tmp_path):
    """Steps 4 and 5 lie in the second stretch of the run, after the hand-over before step 3."""
    state = trained(tmp_path / "plain", **PLANE | {"epochs": 2}).step.numpy()
    model = trained(tmp_path / "run", **PLANE | {"epochs": 2, "profile_steps": (4, 5)})
    folder = tmp_path / "run" / "tensorboard" / "profile"
    assert len(list(folder.rglob("*.xplane.pb"))) == 1
    graph = EventAccumulator(str(folder)).Reload().Graph()
    assert {"encoder_decoder_prior_step", "metrics"} <= {
        node.name.split("/")[0] for node in graph.node
    }
    assert model.step.numpy() == state
    assert_same_state(tmp_path / "run", final_state(tmp_path / "plain"))


@pytest.mark.parametrize("steps", [(3,), (5, 4), (1, 2, 3), (1, 101)])
def test_steps_that_cannot_be_profiled_are_refused(steps):
    with pytest.raises(UserError, match=r"profile_steps=.*: expected a first and a last step"):
        Config(profile_steps=steps)


def test_a_first_and_a_last_step_are_taken():
    assert Config(profile_steps=(1, 100)).profile_steps == (1, 100)
