"""One set of defaults, and a word where they don't suit the data."""

import dataclasses
import inspect

import pytest
from absl import flags

from tf_sintrovae import config, flag_files, main, networks, presets
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.objective import Objective
from tf_sintrovae.training import workdir

SHAPES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fmnist": (28, 28, 1),
    "fmnist_small": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "patches": (32, 32, 3),
} | dict.fromkeys(("8gaussians", "spiral", "checkerboard", "rings"), (2,))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Config)])
def test_the_bare_command_has_the_settings_of_the_digits(field):
    preset, bare = presets.settings("digits"), Config()
    if field == "widths":  # left open, they follow the shape of an example
        assert preset.widths == networks.default_widths((8, 8, 1))
        assert bare.widths == ()
    else:
        assert getattr(bare, field) == getattr(preset, field)


def test_the_class_and_the_command_share_their_defaults():
    assert Config().objective == Objective()
    parameters = inspect.signature(SoftIntroVAE).parameters
    assert parameters["objective"].default == Objective()
    for name in ("num_mc_samples", "prior_player", "seed"):
        assert parameters[name].default == getattr(Config(), name)


def hint(shape, *arguments):
    """What is said about a command line and the shape of an example."""
    values = flags.FlagValues()
    config.define_flags(values)
    values(["main", *flag_files.expand(arguments)])
    return presets.hint(config.from_flags(values), shape, config.open_settings(values))


@pytest.mark.parametrize("name", flag_files.names())
def test_a_preset_needs_no_hint_and_is_hinted_at_where_it_is_not_used(name):
    assert hint(SHAPES[name], f"--preset={name}") is None
    data = name.removesuffix("_small")  # the hint is at the paper's settings
    text = hint(SHAPES[name], f"--dataset={data}")
    if name == "digits":
        assert text is None
    else:
        assert f"--preset={data}:" in text
        assert "\n" not in text


def test_a_hint_names_the_values_on_both_sides():
    text = hint((2,), "--dataset=8gaussians", "--learning_rate=1e-3")
    assert text.startswith("dataset=8gaussians is trained with settings meant for digits")
    assert f"responsibility_reg={Objective().responsibility_reg:g} (0)" in text
    assert "beta_neg=20 (0.9)" in text
    assert "learning_rate" not in text  # the user's own
    assert "widths" not in text


def test_what_the_user_gave_is_not_hinted_at_though_it_is_the_default():
    assert hint((2,), "--preset=rings", "--responsibility_reg=100") is None


def test_data_without_a_preset_are_compared_with_the_nearest():
    assert "--preset=8gaussians:" in hint((2,), "--dataset=files")
    assert "--preset=cifar10:" in hint((64, 64, 3), "--dataset=svhn_cropped")
    assert "--preset=fmnist:" in hint((28, 28, 1), "--dataset=kmnist")
    assert hint((8, 8, 1), "--dataset=files") is None


def test_the_hint_is_printed_by_a_run_that_needs_it(tmp_path, capsys):
    for given, said in (((), 1), ((*Objective._fields, "num_components", "learning_rate"), 0)):
        used = Config(
            dataset="8gaussians", workdir=str(tmp_path), latent_dim=2, steps_per_execution=3
        )
        with (
            workdir.open_workdir(used) as folder,
            pytest.raises(UserError, match="steps_per_execution"),
        ):
            names = {field.name for field in dataclasses.fields(Config)} - {*given, "latent_dim"}
            main.run(used, folder, names)
        assert capsys.readouterr().out.count("--preset=8gaussians: ") == said
