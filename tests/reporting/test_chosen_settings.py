"""Which settings a report names, and the command that repeats a run."""

import dataclasses
import shlex

from absl import flags

from tf_sintrovae import config, flag_files, presets
from tf_sintrovae.config import Config
from tf_sintrovae.reporting import chosen_settings


def parsed(command):
    """The settings of a command line."""
    values = flags.FlagValues()
    config.define_flags(values)
    start = "python -m tf_sintrovae.main "
    assert command.startswith(start)
    values(["main", *flag_files.expand(shlex.split(command.removeprefix(start)))])
    return config.from_flags(values)


def test_a_presets_own_run_has_no_settings_of_its_own():
    for name in flag_files.names():
        settings = presets.settings(name)
        nearest = chosen_settings.nearest_preset(settings)
        assert not chosen_settings.differences(settings, nearest), name


def test_settings_that_differ_stand_with_the_presets_and_their_meaning():
    settings = dataclasses.replace(presets.settings("rings"), epochs=9, seed=3, workdir="elsewhere")
    assert chosen_settings.nearest_preset(settings) == "rings"
    found = chosen_settings.differences(settings, "rings")
    assert [(each.name, each.value, each.usual) for each in found] == [
        ("seed", 3, 0),
        ("epochs", 9, 300),
    ]
    assert found[0].meaning.startswith("seed of initial weights")


def test_the_command_gives_the_same_settings_again():
    changed = Config(
        dataset="files",
        data_dir="my data/'quoted'",
        widths=(3, 4),
        learn_weights=False,
        clip_norm=0.5,
        metrics=("elbo", "iwae"),
    )
    preset = chosen_settings.nearest_preset(changed)
    again = parsed(chosen_settings.command(changed, preset))
    assert dataclasses.replace(again, workdir=changed.workdir) == changed


def test_what_no_flag_can_say_has_no_command():
    settings = dataclasses.replace(presets.settings("8gaussians"), steps_per_epoch=None)
    assert chosen_settings.command(settings, "8gaussians") is None
