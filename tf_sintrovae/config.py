"""One frozen dataclass of settings, and the flags that fill it.

The dataclass is the only list of settings: flags, `config.json`, `flags.txt` and the documentation take
their names, defaults and help from its fields. Nothing here imports TensorFlow, so that `--help` and bad
values are answered at once.
"""

import dataclasses
import json
import pathlib
import types
import typing
from typing import Any

from absl import flags

from tf_sintrovae import flag_files
from tf_sintrovae.data import names
from tf_sintrovae.data.loader_options import MAX_DATA_GIB
from tf_sintrovae.errors import UserError
from tf_sintrovae.objective import Objective

_WEIGHTS = Objective()


# What a number may be at most where nothing else is said: a size of TensorFlow, a weight in float32.
_MOST = {int: 2**31 - 1, float: 1e30}
_LONGEST_LIST = 64


def _setting(
    default: Any,
    help_text: str,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
):
    """A dataclass field that also describes its flag; `least` and `most` are the limits of its numbers."""
    metadata = {"help": help_text, "choices": choices, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a training run; the defaults are those of `configs/digits.flags`.

    Raises:
        UserError: a value, or a combination of values, that cannot work.
    """

    # Data
    dataset: str = _setting(
        "digits", "data set: a name of docs/data.md, or any TFDS image data set"
    )
    data_dir: str | None = _setting(None, "folder with the data set's files (docs/data.md)")
    image_size: int | None = _setting(
        None, "resize images to this height and width", least=1, most=2**14
    )
    max_data_gib: float = _setting(
        MAX_DATA_GIB,
        "refuse data files that take more memory than this, in GiB",
        least=0.0,
    )
    # Run
    workdir: str | None = _setting(None, "folder of the run; runs/DATASET by default")
    seed: int = _setting(0, "seed of initial weights, order of examples and all noise", least=0)
    batch_size: int = _setting(128, "examples in a step, over all replicas", least=1, most=2**24)
    epochs: int = _setting(
        110, "epochs in all; a run continues up to this one", least=1, most=10**6
    )
    vae_epochs: int = _setting(
        20, "length of the VAE stage; from `epochs` on, a plain VAE is trained", least=0
    )
    mixture_warmup_epochs: int = _setting(
        5,
        "the VampPrior becomes a free mixture this many epochs before the VAE stage ends",
        least=0,
    )
    steps_per_epoch: int | None = _setting(
        None,
        "steps counted as an epoch; by default the data set once, 100 in 2D",
        least=1,
        most=10**9,
    )
    # Networks
    latent_dim: int = _setting(16, "dimensions of the latent space, L", least=1, most=2**16)
    widths: tuple[int, ...] = _setting(
        (),
        "channels of each resolution, or units of dense layers; when empty 64,128 for images (32,64 under 16 "
        "pixels, 64,128,256 from 32 on) and 256,256,256,256 for points",
        least=1,
        most=2**16,
    )
    # Prior
    prior: str = _setting(
        "mixture",
        "prior; 'mixture' starts as a VampPrior and becomes free, 'vamp' is for plain VAEs",
        choices=("standard_normal", "vamp", "mixture"),
    )
    num_components: int = _setting(10, "components of the prior, K", least=1, most=2**20)
    learn_weights: bool = _setting(True, "learn the weights of the components")
    prior_player: str = _setting(
        "decoder",
        "with whom the mixture steps in the introspective stage; 'none' keeps it fixed",
        choices=("decoder", "encoder", "none"),
    )
    clip_variance: bool = _setting(True, "adaptive variance clipping of a learned mixture")
    responsibility_reg: float = _setting(
        _WEIGHTS.responsibility_reg, "weight r of the responsibility regularisation", least=0.0
    )
    # Objective
    beta_rec: float = _setting(_WEIGHTS.beta_rec, "weight of reconstruction errors", least=0.0)
    beta_kl: float = _setting(_WEIGHTS.beta_kl, "weight of KL divergences", least=0.0)
    beta_neg: float = _setting(
        _WEIGHTS.beta_neg, "weight of generated examples' KL for the encoder", least=0.0
    )
    alpha: float = _setting(
        _WEIGHTS.alpha, "sharpness of the encoder's exponential terms", least=1e-6
    )
    gamma: float = _setting(
        _WEIGHTS.gamma, "weight of generated examples for decoder and prior", least=0.0
    )
    gamma_r: float = _setting(
        _WEIGHTS.gamma_r,
        "weight of their reconstruction; the paper's 1e-8 is under float32 resolution, so 0 leaves it out",
        least=0.0,
    )
    num_mc_samples: int = _setting(100, "Monte Carlo samples of each KL, M", least=1, most=2**20)
    # Optimisation
    learning_rate: float = _setting(5e-4, "Adam's rate, of all players", least=0.0)
    prior_learning_rate: float | None = _setting(
        None, "the prior's own rate; learning_rate by default", least=0.0
    )
    lr_milestones: tuple[int, ...] = _setting(
        (), "optimizer steps at which all rates are divided by 10", least=1, most=10**15
    )
    # Machine
    strategy: str = _setting(
        "auto",
        "'auto' mirrors over all GPUs when there are several",
        choices=("auto", "single", "mirrored", "multi_worker"),
    )
    mixed_precision: str = _setting(
        "off", "half-precision networks", choices=("off", "bfloat16", "float16")
    )
    jit_compile: str = _setting(
        "auto",
        "compile the training step with XLA; 'auto': on one GPU, not on CPUs",
        choices=("auto", "true", "false"),
    )
    steps_per_execution: int = _setting(
        1, "training steps in one call of the compiled loop", least=1
    )
    deterministic: bool = _setting(True, "the same numbers from the same seed, also on GPUs")
    # After training, and house-keeping
    refresh_batch_norm: bool = _setting(
        True, "re-estimate batch-norm statistics on real data before evaluation and export"
    )
    evaluate: bool = _setting(True, "measure the model at the end")
    metrics: tuple[str, ...] = _setting(
        (), "measures to take at the end; all that suit the data by default"
    )
    export: bool = _setting(True, "write the SavedModel")
    checkpoint_seconds: float = _setting(
        30.0, "least time between checkpoints; they are taken at ends of epochs", least=0.0
    )
    on_nonfinite: str = _setting(
        "stop",
        "after a divergence: stop, or go back to the last checkpoint with all rates halved",
        choices=("stop", "rollback"),
    )
    max_rollbacks: int = _setting(3, "so many times at most, then stop", least=0)
    overwrite: bool = _setting(False, "start afresh where the workdir already holds a run")

    def __post_init__(self):
        if isinstance(self.dataset, str):  # else refused below
            object.__setattr__(self, "dataset", names.canonical(self.dataset))
        if not self.workdir:
            object.__setattr__(self, "workdir", f"runs/{self.dataset}")
        for field in dataclasses.fields(self):
            _check_field(field, getattr(self, field.name))
        self._check_combinations()

    @property
    def objective(self) -> Objective:
        """The weights of the losses; the scale is left to the model."""
        names = {field.name for field in dataclasses.fields(self)} & set(Objective._fields)
        return Objective(**{name: getattr(self, name) for name in names})

    @property
    def hand_over_epoch(self) -> int | None:
        """Epoch at whose start the VampPrior becomes a free mixture; None where it never does."""
        if self.prior != "mixture" or self.prior_player == "encoder":
            return None
        return self.vae_epochs - self.mixture_warmup_epochs

    def _check_combinations(self) -> None:
        if self.hand_over_epoch is not None and self.hand_over_epoch < 0:
            raise UserError(
                f"mixture_warmup_epochs={self.mixture_warmup_epochs} is more than "
                f"vae_epochs={self.vae_epochs}: the hand-over would come before the start; "
                "lengthen the VAE stage or shorten the warm-up"
            )
        if self.prior == "vamp" and self.vae_epochs < self.epochs:
            raise UserError(
                f"prior=vamp is for plain VAEs, but vae_epochs={self.vae_epochs} is less than "
                f"epochs={self.epochs}: give vae_epochs={self.epochs}, or prior=mixture"
            )

    def to_json(self) -> str:
        """The settings as a JSON object, one line a setting."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The settings that `to_json` wrote.

        Raises:
            UserError: text that is not such an object.
        """
        try:
            values = json.loads(text)
            lists = {
                name: tuple(value) for name, value in values.items() if isinstance(value, list)
            }
            return cls(**values | lists)
        # A setting of another version, no object at all, brackets nested too deep.
        except (ValueError, TypeError, AttributeError, RecursionError, UserError) as error:
            raise UserError(f"not a config.json of this program: {error}") from error

    def to_flagfile(self) -> str:
        """The settings as the lines of a flag file."""
        return "".join(
            f"{_flag_line(field.name, getattr(self, field.name))}\n"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) is not None
        )


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each setting, and `--preset` for `--help`: `flag_files` takes it out before."""
    for field in dataclasses.fields(Config):
        _define_flag(field, values)
    flags.DEFINE_string(
        "preset",
        None,
        "stands for the flag file of that name that comes with the package; later flags win. One of "
        + ", ".join(flag_files.names()),
        flag_values=values,
    )


def from_flags(values: flags.FlagValues = flags.FLAGS) -> Config:
    """The settings that the parsed flags give.

    Raises:
        UserError: as `Config`.
    """
    settings = {field.name: values[field.name].value for field in dataclasses.fields(Config)}
    for field in dataclasses.fields(Config):
        if _kind(field)[1] is tuple:
            settings[field.name] = _entries(field, settings[field.name])
    return Config(**settings)


def open_settings(values: flags.FlagValues = flags.FLAGS) -> frozenset[str]:
    """Names of the settings that no flag gave."""
    names = (field.name for field in dataclasses.fields(Config))
    return frozenset(name for name in names if not values[name].present)


def read_config(workdir: pathlib.Path) -> Config | None:
    """The settings of the run in `workdir`; None where there is none.

    Raises:
        UserError: a damaged `config.json`.
    """
    path = workdir / "config.json"
    if not path.exists():
        return None
    try:
        return Config.from_json(path.read_text(encoding="utf-8"))
    except (UserError, UnicodeError) as error:
        raise UserError(f"{path}: {error}; restore it, or start afresh with --overwrite") from error


def _define_flag(field: dataclasses.Field, values: flags.FlagValues) -> None:
    name, default, help_text = field.name, field.default, field.metadata["help"]
    _, kind = _kind(field)
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, field.metadata["choices"], help_text, flag_values=values)
        return
    if kind is tuple:
        default = list(map(str, default))
    _DEFINERS[kind](name, default, help_text, flag_values=values)


_DEFINERS = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def _item_kind(field: dataclasses.Field) -> type:
    """The type of the entries of a list."""
    return typing.get_args(field.type)[0]


def _check_field(field: dataclasses.Field, value: Any) -> None:
    optional, kind = _kind(field)
    if value is None and optional:
        return
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"{field.name}={value}: expected one of {', '.join(choices)}")
    if kind is tuple:
        _check_list(field, value)
    elif not isinstance(value, _ACCEPTED[kind]) or (kind is not bool and isinstance(value, bool)):
        raise UserError(f"{field.name}={value!r}: expected {_WORDS[kind]}")
    elif kind is str:
        _check_text(field.name, value)
    elif kind is not bool:
        _check_limits(field, value, kind)


# What Python may hold for a setting of a kind, and how to say it.
_ACCEPTED = {bool: bool, int: int, float: (int, float), str: str}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _kind(field: dataclasses.Field) -> tuple[bool, type]:
    """Whether a setting may be None, and the type that its values have otherwise."""
    members = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else ()
    kind = next((t for t in members if t is not type(None)), field.type)
    return type(None) in members, typing.get_origin(kind) or kind


def _check_list(field: dataclasses.Field, value: Any) -> None:
    kind = _item_kind(field)
    if not isinstance(value, tuple) or any(type(item) is not kind for item in value):
        raise UserError(f"{field.name}={value!r}: expected a list, each entry {_WORDS[kind]}")
    if len(value) > _LONGEST_LIST:
        raise UserError(f"{field.name}: expected at most {_LONGEST_LIST} entries, not {len(value)}")
    for item in value:
        if kind is int:
            _check_limits(field, item, int)
        else:
            _check_text(field.name, item)
            if set(item) & set(',"'):
                raise UserError(
                    f"{field.name}={item!r}: expected entries without commas and quotes"
                )


def _check_limits(field: dataclasses.Field, value: float, kind: type) -> None:
    least, most = field.metadata["least"], field.metadata["most"] or _MOST[kind]
    if not least <= value <= most:
        limit = f"{most:,}" if kind is int else f"{most:g}"
        raise UserError(
            f"{field.name}={value}: expected a finite number of at least {least:g} and at most {limit}"
        )


def _check_text(name: str, value: str) -> None:
    """Refuses what a flag file or a file system cannot hold."""
    if not value or value != value.strip() or not value.isprintable():
        raise UserError(
            f"{name}={value!r}: expected text, without blanks around it or control characters"
        )


def _entries(field: dataclasses.Field, texts: list[str]) -> tuple:
    """The entries of a list from a flag's texts."""
    kind = _item_kind(field)
    try:
        return tuple(kind(text) for text in texts)
    except ValueError as error:
        raise UserError(
            f"{field.name}={','.join(texts)}: expected whole numbers separated by commas"
        ) from error


def _flag_line(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value}"
