"""One frozen dataclass of settings, and the flags that fill it.

The dataclass is the only list of settings: flags, `config.json`, `flags.txt` and the documentation take
their names, defaults and help from its fields. Nothing here imports TensorFlow, so that `--help` and bad
values are answered at once.
"""

import dataclasses
import json
import pathlib

from absl import flags

from tf_sintrovae import flag_files, setting_fields
from tf_sintrovae.data import names
from tf_sintrovae.data.loader_options import MAX_DATA_GIB
from tf_sintrovae.errors import UserError
from tf_sintrovae.objective import Objective
from tf_sintrovae.setting_fields import setting

_WEIGHTS = Objective()
_MOST_PROFILED = 100  # steps; a profile grows with them


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a training run; the defaults are those of `configs/digits.flags`.

    Raises:
        UserError: a value, or a combination of values, that cannot work.
    """

    # Data
    dataset: str = setting("digits", "data set: a name of docs/data.md, or any TFDS image data set")
    data_dir: str | None = setting(None, "folder with the data set's files (docs/data.md)")
    image_size: int | None = setting(
        None, "resize images to this height and width", least=1, most=2**14
    )
    max_data_gib: float = setting(
        MAX_DATA_GIB,
        "refuse data files that take more memory than this, in GiB",
        least=0.0,
    )
    # Run
    workdir: str | None = setting(None, "folder of the run; runs/DATASET by default")
    seed: int = setting(0, "seed of initial weights, order of examples and all noise", least=0)
    batch_size: int = setting(128, "examples in a step, over all replicas", least=1, most=2**24)
    epochs: int = setting(110, "epochs in all; a run continues up to this one", least=1, most=10**6)
    vae_epochs: int = setting(
        20, "length of the VAE stage; from `epochs` on, a plain VAE is trained", least=0
    )
    mixture_warmup_epochs: int = setting(
        5,
        "the VampPrior becomes a free mixture this many epochs before the VAE stage ends",
        least=0,
    )
    steps_per_epoch: int | None = setting(
        None,
        "steps counted as an epoch; by default the data set once, 100 in 2D",
        least=1,
        most=10**9,
    )
    # Networks
    latent_dim: int = setting(16, "dimensions of the latent space, L", least=1, most=2**16)
    widths: tuple[int, ...] = setting(
        (),
        "channels of each resolution, or units of dense layers; when empty 64,128 for images (32,64 under 16 "
        "pixels, 64,128,256 from 32 on) and 256,256,256,256 for points",
        least=1,
        most=2**16,
    )
    # Prior
    prior: str = setting(
        "mixture",
        "prior; 'mixture' starts as a VampPrior and becomes free, 'vamp' is for plain VAEs",
        choices=("standard_normal", "vamp", "mixture"),
    )
    num_components: int = setting(10, "components of the prior, K", least=1, most=2**20)
    learn_weights: bool = setting(True, "learn the weights of the components")
    prior_player: str = setting(
        "decoder",
        "with whom the mixture steps in the introspective stage; 'none' keeps it fixed",
        choices=("decoder", "encoder", "none"),
    )
    clip_variance: bool = setting(True, "adaptive variance clipping of a learned mixture")
    responsibility_reg: float = setting(
        _WEIGHTS.responsibility_reg, "loss weight r of the responsibility regularisation", least=0.0
    )
    # Objective
    beta_rec: float = setting(_WEIGHTS.beta_rec, "loss weight of reconstruction errors", least=0.0)
    beta_kl: float = setting(_WEIGHTS.beta_kl, "loss weight of KL divergences", least=0.0)
    beta_neg: float = setting(
        _WEIGHTS.beta_neg, "loss weight of generated examples' KL for the encoder", least=0.0
    )
    alpha: float = setting(
        _WEIGHTS.alpha, "sharpness of the encoder's exponential terms", least=1e-6
    )
    gamma: float = setting(
        _WEIGHTS.gamma, "loss weight of generated examples for decoder and prior", least=0.0
    )
    gamma_r: float = setting(
        _WEIGHTS.gamma_r,
        "loss weight of their reconstruction; the paper's 1e-8 is under float32 resolution, so 0 leaves it "
        "out",
        least=0.0,
    )
    num_mc_samples: int = setting(100, "Monte Carlo samples of each KL, M", least=1, most=2**20)
    # Optimisation
    learning_rate: float = setting(5e-4, "Adam's rate, of all players", least=0.0)
    prior_learning_rate: float | None = setting(
        None, "the prior's own rate; learning_rate by default", least=0.0
    )
    lr_milestones: tuple[int, ...] = setting(
        (), "optimizer steps at which all rates are divided by 10", least=1, most=10**15
    )
    clip_norm: float | None = setting(
        None, "scale each player's gradients down to this norm where they exceed it", least=1e-12
    )
    ema_decay: float | None = setting(
        None,
        "evaluate and export weights averaged over steps with this decay, as 0.999; not in the paper",
        least=0.0,
        most=0.999999,
    )
    init_from: str | None = setting(
        None, "folder of another run, whose newest weights and prior are the start of this one"
    )
    # While it trains
    validation: bool = setting(
        False, "the VAE loss and its terms on the test split after each epoch"
    )
    best_metric: str | None = setting(
        None,
        "keep, export and measure the checkpoint with the least of this metric as well: fid or "
        "kid_standardised of samples (images), jsd_nats or kl_nats (points in 2D)",
        choices=("fid", "kid_standardised", "jsd_nats", "kl_nats"),
    )
    eval_epochs: int = setting(10, "epochs between two looks at best_metric", least=1)
    eval_images: int = setting(2_000, "samples, and training images, of each look", least=16)
    early_stop_epochs: int | None = setting(
        None, "end when best_metric has not improved for so many introspective epochs", least=1
    )
    # Machine
    strategy: str = setting(
        "auto",
        "'auto': over the workers that TF_CONFIG names, else all GPUs when there are several",
        choices=("auto", "single", "mirrored", "multi_worker"),
    )
    join_seconds: float = setting(
        300.0, "several machines: longest time that a worker waits for all to start", least=1.0
    )
    mixed_precision: str = setting(
        "off", "half-precision networks", choices=("off", "bfloat16", "float16")
    )
    precision: str = setting(
        "highest",
        "float32 products of the networks on GPUs: as they are, or rounded to 'tf32', faster",
        choices=("highest", "tf32"),
    )
    jit_compile: str = setting(
        "auto",
        "compile the training step with XLA; 'auto': on one GPU, not on CPUs",
        choices=("auto", "true", "false"),
    )
    steps_per_execution: int = setting(
        1, "training steps in one call of the compiled loop", least=1
    )
    deterministic: bool = setting(True, "the same numbers from the same seed, also on GPUs")
    # After training, and house-keeping
    refresh_batch_norm: bool = setting(
        True, "re-estimate batch-norm statistics on real data before evaluation and export"
    )
    evaluate: bool = setting(True, "measure the model at the end")
    metrics: tuple[str, ...] = setting(
        (), "metrics to take at the end; all that suit the data by default"
    )
    export: bool = setting(True, "write the SavedModel")
    checkpoint_seconds: float = setting(
        30.0, "least time between checkpoints; they are taken at ends of epochs", least=0.0
    )
    on_nonfinite: str = setting(
        "stop",
        "after a divergence: stop, or go back to the last checkpoint with all rates halved",
        choices=("stop", "rollback"),
    )
    max_rollbacks: int = setting(3, "so many times at most, then stop", least=0)
    profile_steps: tuple[int, ...] = setting(
        (),
        "first and last training step, as 20,25, of which TensorBoard gets the graph and a profile",
        least=1,
        most=10**15,
    )
    overwrite: bool = setting(False, "start afresh where the workdir already holds a run")

    def __post_init__(self):
        if isinstance(self.dataset, str):  # else refused below
            object.__setattr__(self, "dataset", names.canonical(self.dataset))
        if not self.workdir:
            object.__setattr__(self, "workdir", f"runs/{self.dataset}")
        for field in dataclasses.fields(self):
            setting_fields.check(field, getattr(self, field.name))
        self._check_combinations()

    @property
    def objective(self) -> Objective:
        """The loss weights; the scale is left to the model."""
        given = {field.name for field in dataclasses.fields(self)} & set(Objective._fields)
        return Objective(**{name: getattr(self, name) for name in given})

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
        if self.best_metric and not self.export:
            raise UserError(
                f"best_metric={self.best_metric} keeps a second export, but export is off: leave one out"
            )
        if self.early_stop_epochs and not self.best_metric:
            raise UserError(
                f"early_stop_epochs={self.early_stop_epochs} waits for best_metric, which is not given: "
                "name one, as fid"
            )

        if self.profile_steps and not self._can_be_profiled():
            raise UserError(
                f"profile_steps={','.join(map(str, self.profile_steps))}: expected a first and a last step, "
                f"at most {_MOST_PROFILED} of them, as 20,25"
            )

    def _can_be_profiled(self) -> bool:
        """Whether the steps are a first and a last, and not more than a profile can hold."""
        if len(self.profile_steps) != 2:
            return False
        first, last = self.profile_steps
        return first <= last < first + _MOST_PROFILED

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
        values = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        lines = (setting_fields.flag(name, value) for name, value in values if value is not None)
        return "".join(f"{line}\n" for line in lines)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each setting, and `--preset` for `--help`: `flag_files` takes it out before."""
    for field in dataclasses.fields(Config):
        setting_fields.define_flag(field, values)
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
    return Config(**setting_fields.read_flags(Config, values))


def open_settings(values: flags.FlagValues = flags.FLAGS) -> frozenset[str]:
    """Names of the settings that no flag gave."""
    every = (field.name for field in dataclasses.fields(Config))
    return frozenset(name for name in every if not values[name].present)


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
