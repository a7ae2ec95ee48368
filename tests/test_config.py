"""Settings: one list of them, the paper's values, clear refusals."""

import dataclasses
import pathlib
import re

import hypothesis
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from tf_sintrovae import config, flag_files, setting_fields
from tf_sintrovae.config import Config
from tf_sintrovae.errors import UserError

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"


def parse(*arguments):
    """The settings that a command line gives, by a set of flags of its own."""
    values = flags.FlagValues()
    config.define_flags(values)
    values(["main", *flag_files.expand(arguments)])
    return config.from_flags(values)


def test_flags_default_to_the_dataclass():
    assert parse() == Config()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.flags")), ids=lambda p: p.stem)
def test_every_flag_file_is_valid_and_named_after_its_data(path):
    settings = parse(f"--flagfile={path}")
    data, small = path.stem.removesuffix("_small"), path.stem.endswith("_small")
    name = "fashion_mnist" if data == "fmnist" else data
    assert settings.dataset == name
    assert settings.workdir == f"runs/{path.stem if small else name}"
    assert path.read_text().startswith("#")


IMAGES = {
    # L, batch, beta_neg, widths
    "mnist": (32, 128, 128.0, (64, 128)),
    "fmnist": (32, 128, 256.0, (64, 128)),
    "cifar10": (128, 32, 256.0, (64, 128, 256)),
    "patches": (128, 32, 256.0, (64, 128, 256)),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_experiments_have_the_papers_settings(name):
    settings = parse(f"--preset={name}")
    latent_dim, batch_size, beta_neg, widths = IMAGES[name]
    assert (settings.latent_dim, settings.batch_size) == (latent_dim, batch_size)
    assert (settings.beta_rec, settings.beta_kl, settings.beta_neg) == (1.0, 1.0, beta_neg)
    assert settings.widths == widths
    assert (settings.vae_epochs, settings.epochs, settings.hand_over_epoch) == (20, 220, 15)
    assert (settings.learning_rate, settings.lr_milestones) == (2e-4, ())
    assert (settings.num_components, settings.responsibility_reg) == (10, 100.0)
    assert settings.clip_variance and settings.learn_weights
    assert (settings.prior, settings.prior_player) == ("mixture", "decoder")
    assert (settings.alpha, settings.gamma, settings.num_mc_samples) == (2.0, 1.0, 100)


PLANE = {
    "8gaussians": (0.2, 0.3, 0.9),
    "spiral": (0.2, 0.5, 1.0),
    "checkerboard": (0.2, 0.1, 0.2),
    "rings": (0.2, 0.2, 1.0),
}


@pytest.mark.parametrize("name", PLANE)
def test_plane_experiments_have_the_papers_settings(name):
    settings = parse(f"--preset={name}")
    assert (settings.beta_rec, settings.beta_kl, settings.beta_neg) == PLANE[name]
    assert (settings.latent_dim, settings.batch_size, settings.num_components) == (2, 512, 64)
    steps = settings.steps_per_epoch
    assert (settings.vae_epochs * steps, settings.epochs * steps) == (2_000, 30_000)
    assert settings.hand_over_epoch * steps == 1_900
    assert (settings.learning_rate, settings.lr_milestones) == (2e-4, (10_000, 15_000))
    assert settings.responsibility_reg == 0.0
    assert settings.widths == (256,) * 4


def test_a_preset_stands_at_its_place():
    assert parse("--epochs=7", "--preset=rings").epochs == 300
    assert parse("--preset=rings", "--epochs=7").epochs == 7


def test_settings_survive_json_and_flag_files(tmp_path):
    settings = Config(
        dataset="rings", widths=(4, 5), learn_weights=False, lr_milestones=(3,), epochs=9
    )
    assert Config.from_json(settings.to_json()) == settings
    path = tmp_path / "flags.txt"
    path.write_text(settings.to_flagfile())
    assert parse(f"--flagfile={path}") == settings


# Every kind of setting: text, optional text and numbers, lists, choices, switches.
SETTINGS = st.builds(
    Config,
    dataset=st.sampled_from(["digits", "fmnist", "a_data_set_of_tfds"]),
    data_dir=st.none() | st.just("/data/with a space=and#sign"),
    image_size=st.none() | st.integers(1, 99),
    workdir=st.text("ab é-_/=#.").map(str.strip),
    batch_size=st.integers(1, 10**6),
    widths=st.lists(st.integers(1, 512)).map(tuple),
    lr_milestones=st.lists(st.integers(1, 10**6)).map(tuple),
    prior_player=st.sampled_from(["decoder", "encoder", "none"]),
    learn_weights=st.booleans(),
    beta_rec=st.floats(0.0, 1e30),
    gamma_r=st.just(1e-8),
    prior_learning_rate=st.none() | st.floats(0.0, 1.0),
    evaluate=st.booleans(),
)


@given(SETTINGS)
@hypothesis.settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_any_settings_survive_json_and_flag_files(tmp_path, settings):
    assert Config.from_json(settings.to_json()) == settings
    path = tmp_path / "flags.txt"
    path.write_text(settings.to_flagfile())
    assert parse(f"--flagfile={path}") == settings


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"epochs": "many"}', '{"no_such_setting": 1}', '{"epochs": 5']
)
def test_a_json_of_something_else_is_refused(text):
    with pytest.raises(UserError, match=r"^not a config\.json of this program: "):
        Config.from_json(text)


def test_flag_files_may_hold_comments_and_others_and_the_last_value_wins(tmp_path):
    (tmp_path / "base.flags").write_text("# a comment\n// another\n\n--epochs=3\n--seed=4\n")
    (tmp_path / "mine.flags").write_text(f"--flagfile={tmp_path / 'base.flags'}\n--epochs=5\n")
    settings = parse("--seed=9", f"--flagfile={tmp_path / 'mine.flags'}", "--nolearn_weights")
    assert (settings.epochs, settings.seed, settings.learn_weights) == (5, 4, False)


def test_names_mean_what_they_stand_for():
    assert Config(dataset="fmnist") == Config(dataset="fashion_mnist")
    assert Config(dataset="fmnist").workdir == "runs/fashion_mnist"
    assert Config(workdir="").workdir == "runs/digits"  # never the current folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_components": 0}, "num_components=0"),
        ({"batch_size": -3}, "batch_size=-3"),
        ({"widths": (8, 0)}, "widths=0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"beta_kl": float("inf")}, "beta_kl=inf"),
        ({"prior": "flow"}, "prior=flow: expected one of standard_normal, vamp, mixture"),
        ({"vae_epochs": 3, "mixture_warmup_epochs": 4}, "mixture_warmup_epochs=4 is more than"),
        ({"prior": "vamp", "vae_epochs": 3, "epochs": 9}, "prior=vamp is for plain VAEs"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Config(**changes)


@dataclasses.dataclass
class Named:
    """Settings with a list of texts."""

    names: tuple[str, ...] = setting_fields.setting((), "names")


@pytest.mark.parametrize(
    "value", [("a,b",), ('"a',), ("",), ("a\n",), (3,), "ab", ["a"], ("a",) * 65]
)
def test_lists_of_texts_are_checked(value):
    (field,) = dataclasses.fields(Named)
    setting_fields.check(field, ("a", "knn5"))
    with pytest.raises(UserError, match=r"^names"):
        setting_fields.check(field, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 5.0),
        ("epochs", True),
        ("epochs", "5"),
        ("seed", None),
        ("learn_weights", "yes"),
        ("learn_weights", 1),
        ("beta_kl", "0.5"),
        ("widths", (8.0,)),
        ("widths", [8]),
        ("widths", (8,) * 65),
        ("dataset", 3),
        ("data_dir", 3),
        ("seed", 2**31),
    ],
)
def test_values_of_another_kind_are_named(name, value):
    with pytest.raises(UserError, match=f"^{name}"):
        Config(**{name: value})


def test_a_plain_vae_run_is_never_an_error():
    assert Config(epochs=5, vae_epochs=50).hand_over_epoch == 45
    assert Config(prior="vamp", epochs=5, vae_epochs=5).hand_over_epoch is None
    assert Config(vae_epochs=0, mixture_warmup_epochs=0).hand_over_epoch == 0


def test_a_damaged_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text(Config().to_json()[:50])
    with pytest.raises(UserError, match=r"config\.json: not a config\.json"):
        config.read_config(tmp_path)
    assert config.read_config(tmp_path / "elsewhere") is None


def test_every_setting_has_help():
    assert all(field.metadata["help"] for field in dataclasses.fields(Config))
