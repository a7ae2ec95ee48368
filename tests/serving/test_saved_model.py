"""Loading of exports: damage, missing files and other models are one clear line."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.support.cases import Case
from tests.support.linear_model import LinearModel
from tests.support.runs import ROOT
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving import export, saved_model

DAMAGES = ("flip", "cut", "zero", "empty", "missing", "folder")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a small export."""
    path = tmp_path_factory.mktemp("export") / "saved_model"
    export.export(Case("points", "standard_normal").model(), path, info={"epoch": 3})
    return path


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the export, to be damaged."""
    return pathlib.Path(shutil.copytree(exported, tmp_path / "saved_model"))


def damage(file: pathlib.Path, kind: str, place: random.Random) -> None:
    """Alters one file in a way of `DAMAGES`, at a random place."""
    content = bytearray(file.read_bytes())
    start = place.randrange(len(content))
    if kind == "flip":
        content[start] ^= 1 << place.randrange(8)
    elif kind == "cut":
        del content[start:]
    elif kind == "zero":
        content[start : start + 20] = b"\xaa" * len(content[start : start + 20])
    elif kind == "empty":
        content.clear()
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind != "missing":
        file.write_bytes(content)


def test_an_undamaged_export_loads_and_so_does_a_model_without_hashes(copied, tmp_path):
    saved_model.load(copied)
    (copied / saved_model.INFO_FILE).unlink()
    saved_model.load(copied)
    LinearModel((2,)).save(tmp_path / "other")
    saved_model.load(tmp_path / "other")


def test_loading_says_nothing(copied, caplog):
    saved_model.load(copied)
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_an_altered_file_is_named_before_tensorflow_reads_it(copied, name, monkeypatch):
    monkeypatch.setattr(tf.saved_model, "load", lambda path: pytest.fail("it was read"))
    damage(copied / name, "flip", random.Random(0))
    with pytest.raises(UserError, match=rf"saved_model=.* is damaged: {name} is not the file"):
        saved_model.load(copied)


def test_an_empty_folder_and_none_are_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=rf"saved_model={path}: no SavedModel there"):
            saved_model.load(path)


class Other(tf.Module):
    """A model with one signature, of other names."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="image")])
    def encode(self, image):
        """The image itself."""
        return {"code": image}


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        (["encode"], r"signature 'encode' is \(image\) -> \(code\), expected \(x\) -> "),
        ([], r"has no signature 'encode' \(it has none\)"),
    ],
)
def test_other_signatures_are_named(tmp_path, signatures, message):
    model = Other()
    tf.saved_model.save(model, str(tmp_path), signatures={n: getattr(model, n) for n in signatures})
    with pytest.raises(UserError, match=message):
        saved_model.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", '{"sha256": 3}', '{"sha256": [1]}', "[" * 100_000, '{"epoch": 1}'],
    ids=lambda text: text[:20] or "empty",
)
def test_hashes_that_cannot_be_read_are_left_out(copied, text):
    (copied / saved_model.INFO_FILE).write_text(text)
    assert saved_model._read_hashes(copied) == {}


@pytest.mark.parametrize("hashes", [{"": "0"}, {"\0": "0"}, {"../x": "0"}, {"saved_model.pb": 5}])
def test_strange_hashes_are_refused(copied, hashes):
    (copied / saved_model.INFO_FILE).write_text(json.dumps({"sha256": hashes}))
    with pytest.raises(UserError, match="is damaged"):
        saved_model.load(copied)


def test_generated_damage_to_an_export_is_always_seen(exported, tmp_path):
    """Every altered, cut or missing file, whatever TensorFlow would make of it."""
    place, seen = random.Random(0), 0
    names = sorted(saved_model.hashes(exported))
    for number in range(300):
        path = pathlib.Path(shutil.copytree(exported, tmp_path / str(number)))
        name = place.choice(names)
        damage(path / name, place.choice(DAMAGES), place)
        with pytest.raises(UserError, match=r"^saved_model=") as error:
            saved_model.load(path)
        assert "\n" not in str(error.value)
        seen += 1
        shutil.rmtree(path)
    print(f"damaged exports: {seen} refused")
    assert seen == 300


def load_damaged(source: str, folder: str, count: str) -> None:
    """Damages copies of a model without hashes, loads each, and prints how many loads were refused.

    To be run in a process of its own: TensorFlow might end it.
    """
    place, refused = random.Random(1), 0
    for number in range(int(count)):
        path = pathlib.Path(shutil.copytree(source, pathlib.Path(folder) / str(number)))
        (path / saved_model.INFO_FILE).unlink()
        name = place.choice([*saved_model.hashes(path), "saved_model.pb"])
        damage(path / name, place.choice(DAMAGES), place)
        print(f"case {number}: {name}", file=sys.stderr, flush=True)
        try:
            saved_model.load(path)
        except UserError as error:
            assert "\n" not in str(error)
            refused += 1
        shutil.rmtree(path)
    print(refused)


def damaged_models(exported, folder, count: int) -> None:
    code = (
        "import sys; from tests.serving import test_saved_model; "
        "test_saved_model.load_damaged(*sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exported), str(folder), str(count)],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    refused = int(done.stdout)
    print(f"damaged models without hashes: {refused} of {count} refused, the others loaded")
    assert count // 2 < refused <= count


def test_damaged_models_of_others_are_refused_in_one_line_or_load(exported, tmp_path):
    damaged_models(exported, tmp_path, 10)


@pytest.mark.slow
def test_many_damaged_models_of_others(exported, tmp_path):
    damaged_models(exported, tmp_path, 200)
