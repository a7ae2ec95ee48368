"""One frozen dataclass of settings, and the flags that fill it.

The dataclass is the only list of settings: flags, `config.json`, `flags.txt` and the documentation take
their names, defaults and help from its fields. Nothing here imports TensorFlow, so that `--help` and bad
values are answered at once.
"""

import dataclasses
import json
import pathlib
from typing import Any

from absl import flags

from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError


def _setting(
    default: Any, help_text: str, choices: tuple[str, ...] = (), least: float | None = None
):
    """A dataclass field that also describes its flag; `least` is the smallest allowed value."""
    metadata = {"help": help_text, "choices": choices, "least": least}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a training run; the defaults train on the bundled digits.

    Raises:
        UserError: a value, or a combination of values, that cannot work.
    """

    # Data
    dataset: str = _setting(
        "digits", "data set: a name of docs/data.md, or any TFDS image data set"
    )
    data_dir: str | None = _setting(None, "folder with the data set's files (docs/data.md)")
    image_size: int | None = _setting(None, "resize images to this height and width", least=1)
    # Run
    workdir: str | None = _setting(None, "folder of the run; runs/DATASET by default")
    seed: int = _setting(0, "of initial weights, order of examples and all noise", least=0)
    batch_size: int = _setting(128, "examples in a step, over all replicas", least=1)
    epochs: int = _setting(120, "epochs in all; a run continues up to this one", least=1)
    vae_epochs: int = _setting(
        30, "length of the VAE stage; from `epochs` on, a plain VAE is trained", least=0
    )
    mixture_warmup_epochs: int = _setting(
        5,
        "the VampPrior becomes a free mixture this many epochs before the VAE stage ends",
        least=0,
    )
    steps_per_epoch: int | None = _setting(
        None, "steps counted as an epoch; by default the data set once, 100 in 2D", least=1
    )
    # Networks
    latent_dim: int = _setting(16, "dimensions of the latent space, L", least=1)
    widths: tuple[int, ...] = _setting(
        (), "channels of each resolution, or units of dense layers; the paper's when empty", least=1
    )
    # Prior
    prior: str = _setting(
        "mixture",
        "prior; 'mixture' starts as a VampPrior and becomes free, 'vamp' is for plain VAEs",
        choices=("standard_normal", "vamp", "mixture"),
    )
    num_components: int = _setting(10, "components of the prior, K", least=1)
    learn_weights: bool = _setting(True, "learn the weights of the components")
    prior_player: str = _setting(
        "decoder",
        "with whom the mixture steps in the introspective stage; 'none' keeps it fixed",
        choices=("decoder", "encoder", "none"),
    )
    clip_variance: bool = _setting(True, "adaptive variance clipping of a learned mixture")
    responsibility_reg: float = _setting(
        100.0, "weight r of the responsibility regularisation", least=0.0
    )
    # Objective
    beta_rec: float = _setting(1.0, "weight of reconstruction errors", least=0.0)
    beta_kl: float = _setting(1.0, "weight of KL divergences", least=0.0)
    beta_neg: float = _setting(128.0, "weight of generated examples' KL for the encoder", least=0.0)
    alpha: float = _setting(2.0, "sharpness of the encoder's exponential terms", least=1e-6)
    gamma: float = _setting(1.0, "weight of generated examples for decoder and prior", least=0.0)
    gamma_r: float = _setting(
        0.0,
        "weight of their reconstruction; the paper's 1e-8 is under float32 resolution, so 0 leaves it out",
        least=0.0,
    )
    num_mc_samples: int = _setting(100, "Monte Carlo samples of each KL, M", least=1)
    # Optimisation
    learning_rate: float = _setting(2e-4, "Adam's rate, of all players", least=0.0)
    prior_learning_rate: float | None = _setting(
        None, "the prior's own rate; learning_rate by default", least=0.0
    )
    lr_milestones: tuple[int, ...] = _setting(
        (), "optimizer steps at which all rates are divided by 10", least=1
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
        object.__setattr__(self, "dataset", registry.canonical(self.dataset))
        if not self.workdir:
            object.__setattr__(self, "workdir", f"runs/{self.dataset}")
        for field in dataclasses.fields(self):
            _check_field(field, getattr(self, field.name))
        self._check_combinations()

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
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(f"not a config.json of this program: {error}") from error

    def to_flagfile(self) -> str:
        """The settings as the lines of a flag file."""
        return "".join(
            f"{_flag_line(field.name, getattr(self, field.name))}\n"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) is not None
        )


def define_flags() -> None:
    """Defines one flag for each setting."""
    for field in dataclasses.fields(Config):
        _define_flag(field)
    flags.DEFINE_string(
        "preset",
        None,
        "name of a flag file that comes with the package, in place of --flagfile=PATH",
    )


def from_flags() -> Config:
    """The settings that the parsed flags give.

    Raises:
        UserError: as `Config`.
    """
    if flags.FLAGS["preset"].value is not None:
        raise UserError(
            "--preset works on the command line only: in a flag file, write --flagfile=PATH"
        )
    values = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(Config)}
    for name in ("widths", "lr_milestones"):
        values[name] = _integers(name, values[name])
    return Config(**values)


def read_config(workdir: pathlib.Path) -> Config | None:
    """The settings of the run in `workdir`; None where there is none.

    Raises:
        UserError: a damaged `config.json`.
    """
    path = workdir / "config.json"
    if not path.exists():
        return None
    try:
        return Config.from_json(path.read_text())
    except UserError as error:
        raise UserError(f"{path}: {error}; restore it, or start afresh with --overwrite") from error


def _define_flag(field: dataclasses.Field) -> None:
    name, default, help_text = field.name, field.default, field.metadata["help"]
    kind = str(field.type)
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, field.metadata["choices"], help_text)
    elif "bool" in kind:
        flags.DEFINE_bool(name, default, help_text)
    elif "tuple" in kind:
        flags.DEFINE_list(name, list(map(str, default)), help_text)
    elif "int" in kind:
        flags.DEFINE_integer(name, default, help_text)
    elif "float" in kind:
        flags.DEFINE_float(name, default, help_text)
    else:
        flags.DEFINE_string(name, default, help_text)


def _check_field(field: dataclasses.Field, value: Any) -> None:
    least, choices = field.metadata["least"], field.metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"{field.name}={value}: expected one of {', '.join(choices)}")
    if least is None or value is None:
        return
    for item in value if isinstance(value, tuple) else (value,):
        if not least <= item < float("inf"):
            raise UserError(f"{field.name}={item}: expected a finite number of at least {least:g}")


def _integers(name: str, texts: list[str]) -> tuple[int, ...]:
    try:
        return tuple(int(text) for text in texts)
    except ValueError as error:
        raise UserError(
            f"{name}={','.join(texts)}: expected whole numbers separated by commas"
        ) from error


def _flag_line(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value}"
