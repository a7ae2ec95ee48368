"""The worked example of docs/downstream.md, run as it is printed on a small model trained here."""

import pathlib
import re

import keras
import pytest

from tf_sintrovae import networks
from tf_sintrovae.data import registry
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.objective import Objective
from tf_sintrovae.priors import StandardNormalPrior
from tf_sintrovae.serving import export

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "downstream.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `runs/digits/saved_model`, a plain VAE after some seconds of training."""
    root = tmp_path_factory.mktemp("downstream")
    keras.utils.set_random_seed(0)
    encoder, decoder = networks.build_networks((8, 8, 1), 16, (8, 16))
    objective = Objective(beta_rec=1.0, beta_kl=0.1)
    model = SoftIntroVAE(
        encoder, decoder, StandardNormalPrior(16), objective=objective, num_mc_samples=2
    )
    model.compile(*[keras.optimizers.Adam(2e-3) for _ in range(3)])
    model.fit(registry.load("digits").train_batches(64, 0), steps_per_epoch=300, verbose=0)
    export.export(model, root / "runs" / "digits" / "saved_model")
    return root


def run(name, folder, monkeypatch, capsys):
    match = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    monkeypatch.chdir(folder)
    exec(compile(match[1], str(PAGE), "exec"), {})
    return capsys.readouterr().out


def test_few_labels(folder, monkeypatch, capsys):
    output = run("downstream", folder, monkeypatch, capsys)
    rows = re.findall(r"(\d+) labels, (\w+): ([\d.]+) \+- ([\d.]+)", output)
    accuracy = {(int(count), name): float(mean) for count, name, mean, _ in rows}
    assert set(accuracy) == {(c, n) for c in (10, 50, 100) for n in ("pixels", "latents")}
    for name in ("pixels", "latents"):
        assert accuracy[10, name] < accuracy[50, name] < accuracy[100, name]
    assert accuracy[10, "latents"] > 0.4  # chance is 0.1
    assert accuracy[100, "latents"] > 0.8


def test_pipeline(folder, monkeypatch, capsys):
    accuracy = float(run("pipeline", folder, monkeypatch, capsys).split("accuracy")[1])
    assert 0.85 < accuracy <= 1.0
