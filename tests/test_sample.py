"""The command that draws from an export: each thing it can be asked for, and one line for what it cannot."""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image

from tests.support.cases import NUM_COMPONENTS, Case
from tests.support.runs import ROOT
from tf_sintrovae import sample
from tf_sintrovae.errors import UserError
from tf_sintrovae.serving import export, saved_model

SIDE = 4 * 16 + 1  # of a 4x4 image in a picture, with the line beside it


@functools.cache
def _load_once(path, needed, load=saved_model.load):
    return load(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An export of images 4x4, whose run resized its data, in a folder of its own; it is loaded once."""
    path = tmp_path_factory.mktemp("run") / "saved_model"
    info = {"settings": {"image_size": 4}}
    model = Case("small_images", "mixture").model()
    export.export(model, path, clip_images=(0.0, 1.0), info=info)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "load", _load_once)
        yield path


@pytest.fixture
def given(tmp_path):
    """Two images to reconstruct, of which the first is larger than the model's."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8)).astype(np.uint8)
    Image.fromarray(pixels[0]).save(tmp_path / "a.png")
    Image.fromarray(pixels[1, :4, :4]).save(tmp_path / "b.png")
    return f"{tmp_path / 'a.png'},{tmp_path / 'b.png'}"


def run(saved, *arguments):
    """Runs the command in this process."""
    values = flags.FlagValues()
    sample.define_flags(values)
    values(["sample", f"--saved_model={saved}", *arguments])
    sample.main(values)


def shape(path):
    width, height = Image.open(path).size
    return height, width


@pytest.mark.parametrize(
    ("arguments", "rows", "columns", "margin"),
    [
        ((), 8, 8, 0),
        (("--num_samples=5",), 2, 3, 0),
        (("--component=0", "--num_samples=4"), 2, 2, 0),
        (("--by_component", "--num_samples=3"), NUM_COMPONENTS, 3, 90),
        (("--reconstruct=GIVEN",), 2, 2, 0),
        (("--interpolate=GIVEN", "--num_steps=7"), 1, 7, 0),
        (("--interpolate_components=0,2,1",), 2, 10, 0),
    ],
)
def test_pictures_have_their_rows_and_are_the_same_again(
    arguments, rows, columns, margin, saved, given, tmp_path, capsys
):
    arguments = [argument.replace("GIVEN", given) for argument in arguments]
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path in paths:
        run(saved, *arguments, f"--output={path}")
    assert shape(paths[0]) == (rows * SIDE, columns * SIDE + margin)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert capsys.readouterr().out.splitlines()[0].endswith(f" of shape 4x4x1: {paths[0]}")


def test_another_seed_is_another_picture(saved, tmp_path):
    for seed in (0, 1):
        run(saved, "--num_samples=4", f"--seed={seed}", f"--output={tmp_path / f'{seed}.npy'}")
    first, second = (np.load(tmp_path / f"{seed}.npy") for seed in (0, 1))
    assert first.shape == second.shape == (4, 4, 4, 1)
    assert (first != second).any()


def test_by_default_it_lies_beside_the_model(saved):
    run(saved, "--by_component", "--num_samples=1")
    assert (saved.parent / "by_component.png").exists()


def test_a_folder_of_many_images(saved, tmp_path):
    run(saved, "--num_samples=7", f"--output={tmp_path / 'many'}")
    assert len(os.listdir(tmp_path / "many")) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--component=4"], "component 4: expected one of the model's, 0 to 3"),
        (["--component=0", "--by_component"], "--component and --by_component: expected one"),
        (["--interpolate_components=0"], "interpolate_components=0: expected two or more"),
        (["--interpolate_components=0,b"], "interpolate_components=0,b: expected two or more"),
        (["--reconstruct=nowhere.png"], "nowhere.png: no such file"),
        (["--output=grid.jpg"], r"output=grid\.jpg: expected an ending of \.png, \.npy, \.csv"),
        (["--saved_model="], "--saved_model is needed"),
        (["--saved_model=nowhere"], "saved_model=nowhere: no SavedModel there"),
    ],
)
def test_what_cannot_be_is_named(arguments, message, saved):
    with pytest.raises(UserError, match=message):
        run(saved, *arguments)


def test_a_wrong_flag_is_one_line_at_once(tmp_path):
    """TensorFlow is not imported for it."""
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('TensorFlow was imported')")
    done = subprocess.run(
        [sys.executable, "-m", "tf_sintrovae.sample", "--saved_model=nowhere", "--by_component"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: saved_model=nowhere: ") and done.stderr.count("\n") == 1
