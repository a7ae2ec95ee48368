"""docs/tutorial.md, run as it is printed, from the first command to the last."""

import json
import re

import pytest
from PIL import Image

from tests.support.documents import ROOT, examples, run_shell

PAGE = ROOT / "docs" / "tutorial.md"


@pytest.mark.slow
def test_from_images_to_a_classifier(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed, scope = {}, {}
    for name, language, code in examples(PAGE):
        if language == "sh":
            printed[name] = run_shell(code, tmp_path)
        else:
            exec(compile(code, str(PAGE), "exec"), scope)
            printed[name] = capsys.readouterr().out
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1797
    run = tmp_path / "runs" / "mine"
    results = json.loads((run / "results.json").read_text())
    assert (results["epoch"], results["num_train"], results["errors"]) == (28, 1617, {})
    assert "knn5_accuracy_mean" in printed["train"]
    for picture in (
        run / "by_component.png",
        tmp_path / "given.png",
        tmp_path / "interpolation.png",
    ):
        assert min(Image.open(picture).size) > 100
    metrics = json.loads((tmp_path / "clustering.json").read_text())["metrics"]
    assert {"cluster_accuracy", "active_units"} <= set(metrics)
    assert float(printed["classifier"].split()[1]) > 0.8  # chance is 0.1
    said = re.findall(r"^(\d{4}) (\d)$", printed["new pictures"], re.M)
    assert len(said) > 100 and said[0][0] == "0004"
    assert sum(label == "6" for _, label in said[1:]) > 0.8 * len(said)


def test_every_code_block_is_an_example():
    """So that the test above leaves none out."""
    blocks = re.findall(r"^```\w", PAGE.read_text(), re.M)
    assert len(blocks) == len(examples(PAGE)) == 7
