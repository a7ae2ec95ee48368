"""What a model needs at least, and models that no machine holds."""

import dataclasses

import numpy as np
import pytest

from tests.support.runs import PLANE, TINY
from tf_sintrovae import build, memory, networks
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError


@pytest.mark.parametrize(
    ("shape", "widths"), [((2,), (8, 9)), ((8, 8, 1), (20, 30)), ((8, 8, 3), (40,))]
)
def test_the_estimate_is_nearly_what_the_networks_have_and_never_more(shape, widths):
    config = dataclasses.replace(TINY, latent_dim=3, prior="standard_normal")
    pair = networks.build_networks(shape, 3, widths)
    count = sum(np.prod(v.shape) for network in pair for v in network.trainable_variables)
    estimate = next(iter(memory.least_bytes(config, shape, widths).values())) / (3 * 4)
    assert 0.5 * count < estimate <= count


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (65536, 65536)}, "most of it by widths=65536,65536, latent_dim=2: give less"),
        (PLANE | {"widths": (65536,) * 9}, "most of it by widths=65536"),
        ({"num_mc_samples": 2**20, "latent_dim": 1000}, "batch_size=128, num_mc_samples=1048576"),
        ({"latent_dim": 65536, "num_components": 2**20}, "most of it by num_components=1048576"),
    ],
)
def test_what_no_machine_holds_is_refused_before_it_is_built(changes, message, monkeypatch):
    config = dataclasses.replace(TINY, **changes)
    monkeypatch.setattr(networks, "build_networks", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(UserError, match=message):
        build.build_model(config, registry.load(config.dataset))
