"""The flag files that come with the package, by name."""

from collections.abc import Collection, Sequence

from absl import flags

from tf_sintrovae import config, flag_files
from tf_sintrovae.config import Config
from tf_sintrovae.data import names
from tf_sintrovae.objective import Objective

# Settings that decide most whether a data set is learned, and have no value that suits all.
_TELLING = (*Objective._fields[:-1], "num_components", "latent_dim", "learning_rate")


def settings(name: str) -> Config:
    """The settings of a preset.

    Raises:
        UserError: an unknown name.
    """
    values = flags.FlagValues()
    config.define_flags(values)
    values(["preset", *flag_files.expand([f"--preset={name}"])])
    return config.from_flags(values)


def hint(used: Config, shape: Sequence[int], open_settings: Collection[str]) -> str | None:
    """One line about defaults that don't suit the data, as they are meant for the digits; None without any.

    Args:
        used: settings of a run.
        shape: shape of one example.
        open_settings: names of the settings that no flag gave.
    """
    name = _own_preset(used.dataset) or _nearest_preset(shape)
    preset = settings(name)
    pairs = {n: (getattr(used, n), getattr(preset, n)) for n in _TELLING if n in open_settings}
    differences = [f"{n}={own:g} ({other:g})" for n, (own, other) in pairs.items() if own != other]
    if not differences:
        return None
    return (
        f"dataset={used.dataset} is trained with settings meant for digits, in brackets those of "
        f"--preset={name}: {', '.join(differences)}"
    )


def _own_preset(dataset: str) -> str | None:
    """The preset that a data set has, under its name or an alias."""
    known = flag_files.names()
    return next((name for name in names.spellings(dataset) if name in known), None)


def _nearest_preset(shape: Sequence[int]) -> str:
    """The preset whose data have most in common with examples of `shape`."""
    if len(shape) == 1:
        return "8gaussians"
    side = min(shape[:2])
    return "digits" if side < 16 else "fmnist" if side < 32 else "cifar10"
