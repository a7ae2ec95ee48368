"""Names, aliases, and adding a data set."""

import subprocess
import sys

import numpy as np
import pytest

from tf_sintrovae.data import registry
from tf_sintrovae.data.arrays import ArraySource
from tf_sintrovae.errors import UserError

PAPER = {"8gaussians", "spiral", "checkerboard", "rings", "mnist", "fashion_mnist", "cifar10"}


def test_names_hold_the_papers_data_sets_and_aliases_resolve():
    assert set(registry.names()) >= PAPER | {"digits", "patches", "svhn_cropped", "files"}
    assert registry.canonical("fmnist") == "fashion_mnist"
    assert registry.canonical("horses_or_humans") == "horses_or_humans"
    assert registry.spellings("fashion_mnist") == ("fashion_mnist", "fmnist")


def test_names_need_no_tensorflow():
    code = (
        "import sys; from tf_sintrovae.data import registry; registry.names(); "
        "registry.canonical('fmnist'); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_built_in_name_is_registered_by_its_module():
    for name in registry._BUILT_IN:
        assert callable(registry._loader(name))
        assert name in registry._loaders


def test_a_data_set_is_added_by_one_decorated_function(monkeypatch):
    monkeypatch.setattr(registry, "_loaders", dict(registry._loaders))
    monkeypatch.setattr(registry, "_aliases", dict(registry._aliases))

    @registry.register("ramps", "slopes")
    def load(options):
        x = np.linspace(0, 1, 20 * 4 * 4, dtype=np.float32).reshape(20, 4, 4, 1)
        return ArraySource(options.name, x, x_test=x[: 2 + options.seed])

    source = registry.load("slopes", seed=3)
    assert source.name == "ramps" and source.shape == (4, 4, 1) and source.is_image
    assert len(source.examples("test").x) == 5
    assert "ramps" in registry.names()
    batch, labels = next(iter(source.train_batches(10, seed=0)))
    assert batch.shape == (10, 4, 4, 1) and labels.shape == (10,)


@pytest.mark.parametrize("name", ["fashion-mnst", "no such set", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name, tmp_path):
    with pytest.raises(UserError, match=r"is unknown.*8gaussians.*fashion_mnist"):
        registry.load(name, tmp_path)


def test_a_near_miss_is_named(tmp_path):
    with pytest.raises(UserError, match="perhaps checkerboard is meant"):
        registry.load("chequerboard", tmp_path)
