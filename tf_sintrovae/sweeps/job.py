"""A job of a sweep: one run of `tf_sintrovae.main`."""

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

from tf_sintrovae import presets, setting_fields
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError

_LONGEST_NAME = 200  # of a folder; file systems take 255 bytes
# Settings that a sweep may not give: the command decides them.
_RESERVED = {"workdir", "data_dir", "overwrite", "seed", "evaluate"}


@dataclasses.dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        name: name that the job always has, made of its factors and its seed.
        factors: what tells the job from others but for the seed: values by factor.
        seed: seed of the run.
        preset: flag file that the run starts from.
        settings: settings that win over the preset's, by name.
        tuned: those of them that a grid search has found.
    """

    name: str
    factors: dict[str, Any]
    seed: int
    preset: str
    settings: dict[str, Any]
    tuned: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The command line of the run but for its folder."""
        given = [setting_fields.flag(name, value) for name, value in self.settings.items()]
        return [f"--preset={self.preset}", *given, f"--seed={self.seed}"]

    @property
    def config(self) -> Config:
        """All settings of the run but for its folder.

        Raises:
            UserError: values that cannot work.
        """
        return dataclasses.replace(_preset(self.preset), **self.settings, seed=self.seed)


def make_job(
    factors: Mapping[str, Any], settings: Mapping[str, Any], seed: int, preset: str | None
) -> Job:
    """Makes the job of a point of a grid and a seed, and checks its settings.

    Args:
        factors: value of each factor, by its name.
        settings: settings of the run; `preset` among them wins over the sweep's.
        seed: seed of the run.
        preset: preset of the sweep; None where the settings name one.

    Raises:
        UserError: settings that `tf_sintrovae.main` would refuse.
    """
    name = "-".join([*map(_slug, label(factors)), f"seed{seed}"])
    own = {key: _as_setting(value) for key, value in settings.items() if key != "preset"}
    job = Job(name, dict(factors), seed, settings.get("preset", preset), own)
    try:
        _check(job)
    except UserError as error:
        raise UserError(f"job {name}: {error}") from error
    return job


def label(factors: Mapping[str, Any]) -> list[str]:
    """The levels of the factors in words: names as they are, other values with the setting's name."""
    return [v if isinstance(v, str) else f"{n}={_plain(v)}" for n, v in factors.items()]


def _check(job: Job) -> None:
    """Refuses settings that do not exist, that the command decides, or that cannot work."""
    if len(job.name) > _LONGEST_NAME:
        raise UserError(f"give levels shorter names, of {_LONGEST_NAME} letters in all")
    if not isinstance(job.preset, str):
        raise UserError("no preset is named: give the sweep one")
    known = {field.name for field in dataclasses.fields(Config)} - _RESERVED
    for name, value in job.settings.items():
        if name not in known:
            raise UserError(
                f"{name} is no setting of a sweep: expected a flag of tf_sintrovae.main"
            )
        if value is None:
            raise UserError(f"{name}=null cannot be given as a flag: leave it out")
    _ = job.config


@functools.cache
def _preset(name: str) -> Config:
    return presets.settings(name)


def _as_setting(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.=]+", "_", text.lower()).strip("_")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
