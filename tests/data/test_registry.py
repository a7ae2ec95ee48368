"""Names, aliases, and adding a data set."""

import subprocess
import sys

import numpy as np
import pytest

from tf_sintrovae.data import names, registry
from tf_sintrovae.data.sources.arrays import ArraySource
from tf_sintrovae.errors import UserError

PAPER = {"8gaussians", "spiral", "checkerboard", "rings", "mnist", "fashion_mnist", "cifar10"}


def test_names_hold_the_papers_data_sets_and_aliases_resolve():
    assert set(names.names()) >= PAPER | {"digits", "patches", "svhn_cropped", "files"}
    assert names.canonical("fmnist") == "fashion_mnist"
    assert names.canonical("horses_or_humans") == "horses_or_humans"
    assert names.spellings("fashion_mnist") == ("fashion_mnist", "fmnist")


def test_names_need_no_tensorflow():
    code = (
        "import sys; from tf_sintrovae.data import names; names.names(); "
        "names.canonical('fmnist'); sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_built_in_name_is_registered_by_its_module():
    for name in names.LOADER_MODULES:
        assert callable(registry._find_loader(name))


def test_a_data_set_is_added_by_one_decorated_function(monkeypatch):
    monkeypatch.setattr(registry, "_added", dict(registry._added))
    monkeypatch.setattr(names, "_added", dict(names._added))
    monkeypatch.setattr(names, "_aliases", dict(names._aliases))

    @registry.register("ramps", "slopes")
    def load(options):
        x = np.linspace(0, 1, 20 * 4 * 4, dtype=np.float32).reshape(20, 4, 4, 1)
        return ArraySource(options.name, x, x_test=x[: 2 + options.seed])

    source = registry.load("slopes", seed=3)
    assert source.name == "ramps" and source.shape == (4, 4, 1) and source.is_image
    assert len(source.examples("test").x) == 5
    assert "ramps" in names.names()
    batch, labels = next(iter(source.train_batches(10, seed=0)))
    assert batch.shape == (10, 4, 4, 1) and labels.shape == (10,)


@pytest.mark.parametrize("name", ["fashion-mnst", "no such set", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name, tmp_path):
    with pytest.raises(UserError, match=r"is unknown.*8gaussians.*fashion_mnist"):
        registry.load(name, tmp_path)


def test_a_near_miss_is_named(tmp_path):
    with pytest.raises(UserError, match="perhaps checkerboard is meant"):
        registry.load("chequerboard", tmp_path)
