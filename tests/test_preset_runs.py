"""Every preset as a user starts it, cut to a few steps, with all metrics and the export at the end."""

import json

import pytest
import tensorflow as tf

from tests.data import samples
from tests.support.runs import command
from tf_sintrovae import flag_files

CUT = (
    *("--steps_per_epoch=2", "--epochs=3", "--vae_epochs=2", "--mixture_warmup_epochs=1"),
    *("--num_mc_samples=2", "--num_components=4"),
)
# As many halvings as the preset's networks have, few channels; the dense networks are quick as they are.
WIDTHS = dict.fromkeys(("digits", "mnist", "fmnist", "fmnist_small"), "4,4") | dict.fromkeys(
    ("cifar10", "patches"), "4,4,4"
)


def write_data(preset: str, folder) -> None:
    """Files of the preset's data set, small ones, where it does not bring its own."""
    if preset in ("mnist", "fmnist", "fmnist_small"):
        samples.write_idx(folder, num_train=400, num_test=100)
    if preset == "cifar10":
        samples.write_cifar_binary(folder, batch_size=80)


@pytest.mark.slow
@pytest.mark.parametrize("preset", flag_files.names())
def test_a_preset_trains_exports_and_is_measured(preset, tmp_path):
    write_data(preset, tmp_path / "data")
    arguments = [f"--preset={preset}", *CUT, f"--workdir={tmp_path / 'run'}"]
    if preset in WIDTHS:
        arguments += [f"--widths={WIDTHS[preset]}", f"--data_dir={tmp_path / 'data'}"]
    done = command(*arguments, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["step"], results["epoch"]) == (6, 3)
    assert results["errors"] == {} and "partial" not in results
    wanted = {"elbo_test", "iwae_test", "drift_test", "assignment_entropy"}
    wanted |= (
        {"knn5_accuracy_mean", "sample_classes_found"}
        if preset in WIDTHS
        else {"kl_nats", "gnelbo"}
    )
    assert wanted <= set(results["metrics"])
    model = tf.saved_model.load(str(tmp_path / "run" / "saved_model"))
    assert model.signatures["prior"]()["loc"].shape[0] == 4
