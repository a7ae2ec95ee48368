"""Which settings of a run are its own, and the command that repeats it."""

import dataclasses
import functools
import shlex
from typing import Any, NamedTuple

from tf_sintrovae import flag_files, presets, setting_fields
from tf_sintrovae.config import Config

# They say where a run is, and not what it is.
OF_THE_PLACE = {"workdir", "overwrite"}


class Difference(NamedTuple):
    """A setting that is not the preset's.

    Attributes:
        name: name of the setting.
        value: its value in the run.
        usual: its value in the preset.
        meaning: what the setting is, as `--help` says it.
    """

    name: str
    value: Any
    usual: Any
    meaning: str


def nearest_preset(settings: Config) -> str:
    """The name of the preset that a run's settings differ least from; one of its data set before others."""

    def distance(name: str) -> tuple[int, bool, str]:
        preset = _preset(name)
        return len(_differing(settings, preset)), preset.dataset != settings.dataset, name

    return min(flag_files.names(), key=distance)


def differences(settings: Config, preset: str) -> list[Difference]:
    """The settings that differ from those of a preset, in the order of `Config`."""
    usual = _preset(preset)
    return [
        Difference(f.name, getattr(settings, f.name), getattr(usual, f.name), f.metadata["help"])
        for f in _differing(settings, usual)
    ]


def command(settings: Config, preset: str) -> str | None:
    """The command line that repeats a run in another folder; None where flags cannot say it.

    Args:
        settings: settings of the run.
        preset: name of the preset that they are told by.
    """
    own = differences(settings, preset)
    if any(each.value is None for each in own):  # no flag takes a preset's value away
        return None
    arguments = [setting_fields.flag(each.name, each.value) for each in own]
    joined = shlex.join([f"--preset={preset}", *arguments, "--workdir=FOLDER"])
    return f"python -m tf_sintrovae.main {joined}"


def as_text(value: Any) -> str:
    """A setting's value, in words."""
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


@functools.cache
def _preset(name: str) -> Config:
    return presets.settings(name)


def _differing(settings: Config, usual: Config) -> list[dataclasses.Field]:
    fields = [f for f in dataclasses.fields(Config) if f.name not in OF_THE_PLACE]
    return [f for f in fields if getattr(settings, f.name) != getattr(usual, f.name)]
