"""The README's examples, run as they are printed."""

import pathlib
import re

import numpy as np
import pytest

from tests.support.cases import Case
from tf_sintrovae import networks
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.priors import MixturePrior
from tf_sintrovae.serving import export

README = pathlib.Path(__file__).parent.parent / "README.md"


def example(name):
    """The code block that follows a marker."""
    match = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README.read_text(), re.S)
    return match[1]


def test_the_python_example_trains_a_model_of_ones_own():
    code = example("python")
    assert len(code.strip().splitlines()) <= 24
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["samples"].shape == (10, 6)
    assert int(scope["model"].step.numpy()) == 2 * 5 * 4
    assert np.isfinite(scope["samples"]).all()


def test_the_export_example_classifies_digits(tmp_path, monkeypatch, capsys):
    """With an untrained model: random features still classify digits far better than chance."""
    encoder, decoder = networks.build_networks((8, 8, 1), 16, (8, 16))
    model = SoftIntroVAE(encoder, decoder, MixturePrior(2, 16))
    export.export(model, tmp_path / "runs" / "digits" / "saved_model")
    monkeypatch.chdir(tmp_path)
    exec(compile(example("export"), "README.md", "exec"), {})
    accuracy = float(capsys.readouterr().out.split("accuracy")[1])
    assert 0.5 < accuracy <= 1.0


def test_every_path_named_in_the_readme_exists():
    root = README.parent
    for path in re.findall(r"\]\(([\w/.]+)\)", README.read_text()):
        assert (root / path).exists(), path


@pytest.mark.parametrize("signature", ["decode", "sample", "responsibilities", "score", "prior"])
def test_every_signature_named_in_the_readme_exists(signature):
    servable = export.Servable(Case("points", "mixture").model())
    assert signature in servable.signatures
    assert f"`{signature}`" in README.read_text()
