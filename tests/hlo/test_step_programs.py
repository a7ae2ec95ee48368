"""What whole training steps for GPUs promise, by their programs; for kernels alone: tests/kernels."""

import functools
import re

import pytest
import tensorflow as tf

from tests.kernels import hlo
from tf_sintrovae import build
from tf_sintrovae.config import Config
from tf_sintrovae.kernels import platforms

B, M, K, L = 16, 30, 20, 8
SETTINGS = Config(
    dataset="8gaussians",
    widths=(4, 4),
    latent_dim=L,
    num_components=K,
    batch_size=B,
    num_mc_samples=M,
    learn_weights=True,
    prior_player="decoder",
    clip_variance=True,
    responsibility_reg=100,
)
STAGES = ("vae", "vae_handed_over", "introspective")

pytestmark = pytest.mark.slow


@functools.cache
def program(stage, state="hlo"):
    """The text of a stage's step: as it is exported, or as XLA compiles it here."""
    source = build.load_source(SETTINGS)
    model = build.build_model(SETTINGS, source)
    if stage != "vae":
        model.hand_over()
    if stage == "introspective":
        model.start_introspection()
    x = source.examples("train", B, 0).x
    with platforms.use_platform("gpu"):
        return hlo.compile_text(lambda x: model.train_step(x), tf.constant(x), stage=state)


@pytest.mark.parametrize("stage", STAGES)
def test_steps_leave_the_host_alone_and_scatter_nothing(stage):
    found = hlo.operations(program(stage))
    assert {"dot", "reduce"} <= found
    assert not found & hlo.FORBIDDEN


@pytest.mark.parametrize("stage", STAGES)
def test_float64_draws_components_and_does_nothing_else(stage):
    """A few numbers a sample and component, so that CPUs and GPUs draw the same ones."""
    lines = [line for line in program(stage).splitlines() if re.search(r"f64\[\d", line)]
    assert bool(lines) == (stage == "introspective")  # where fakes are drawn
    for line in lines:
        assert re.search(r'op_name="[^"]*\b(sample_components|uniform)(_\d+)?/', line), line


def test_a_compiled_step_holds_no_array_of_all_three_sizes():
    """The largest are the noise and the responsibilities of two generated batches."""
    largest = hlo.largest_buffer(program("introspective", "optimized_hlo"))
    assert 2 * M * B * L <= largest <= 2 * M * B * max(K, 3 * L) < M * B * K * L / 3
