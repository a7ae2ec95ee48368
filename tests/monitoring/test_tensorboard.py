"""TensorBoard's own pages, and the report, of a short run in a real browser.

What TensorBoard's web application says of itself is not ours to mend, and is left out by the text of the
message: it imports one of its libraries twice, uses deprecated parts of another, and its projector reads
pixels back from WebGL, of which the driver warns.
"""

import contextlib
import http.client
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.support import browser, devtools
from tests.support.runs import command
from tf_sintrovae.reporting import pictures

pytestmark = pytest.mark.slow

_OF_TENSORBOARD = (
    "Multiple instances of Three.js being imported",
    "GPU stall due to ReadPixels",
    "is deprecated. Please use app-layout instead",
)
_NUM_COLOURS = 300  # of a picture that shows something


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of two short runs, that differ in their seeds and rates."""
    browser.require()
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        done = command(
            *("--dataset=digits", "--widths=3", "--batch_size=64", "--steps_per_epoch=3"),
            *("--epochs=6", "--vae_epochs=3", "--mixture_warmup_epochs=1", "--num_mc_samples=2"),
            *("--latent_dim=8", "--beta_neg=1", "--validation", "--profile_steps=4,5"),
            *("--metrics=elbo,components", f"--learning_rate=0.00{seed + 1}", f"--seed={seed}"),
            f"--workdir={folder / f'seed{seed}'}",
        )
        assert done.returncode == 0, done.stderr
    return folder


@contextlib.contextmanager
def served(folder: pathlib.Path) -> Iterator[str]:
    """TensorBoard over a folder; gives its address."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tensorboard.main", f"--logdir={folder}"),
            *("--host=localhost", f"--port={port}", "--reload_interval=5"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.5)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    """Whether TensorBoard is there, and has read the runs."""
    try:
        connection = http.client.HTTPConnection("localhost", port, timeout=30)
        connection.request("GET", "/data/runs")
        return b"results" in connection.getresponse().read()
    except OSError:
        return False


@pytest.fixture(scope="module")
def tensorboard(runs, tmp_path_factory):
    """TensorBoard over both runs in a browser."""
    with served(runs) as address, devtools.opened(tmp_path_factory.mktemp("browser")) as page:
        page.open(address)
        page.wait_for("Time Series", seconds=600)
        yield page


def shown(page: devtools.Page, tab: str, *texts: str) -> devtools.Page:
    """The page of a plugin, once it has the texts."""
    page.console.clear()
    page.evaluate(f"location.hash = '#{tab}'")
    page.wait_for(*texts, seconds=600)
    return page


def complaints(page: devtools.Page) -> list[str]:
    """What the console has that is not TensorBoard's own."""
    page.text()  # takes in what has come meanwhile
    return [line for line in page.console if not any(own in line for own in _OF_TENSORBOARD)]


def num_colours(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def keep(page: devtools.Page, folder: pathlib.Path, name: str, seconds: float = 10) -> np.ndarray:
    """A screenshot, kept for whoever looks; what no text tells of, as curves, has time to appear."""
    time.sleep(seconds)
    return page.screenshot(folder / f"{name}.png")


def test_scalars_are_on_their_page(tensorboard, tmp_path):
    groups = ("all_players", "decoder", "encoder", "learning_rate", "prior", "train", "validation")
    page = shown(tensorboard, "timeseries", *groups, "seed0/tensorboard")
    assert num_colours(keep(page, tmp_path, "timeseries")) > _NUM_COLOURS
    assert complaints(page) == []


def test_what_belongs_together_is_on_one_page(tensorboard, tmp_path):
    headings = ("Losses", "KL divergences", "Prior", "Optimisation", "introspective stage")
    page = shown(tensorboard, "custom_scalars", *headings)
    assert num_colours(keep(page, tmp_path, "custom_scalars")) > _NUM_COLOURS
    assert complaints(page) == []


def test_pictures_are_on_their_page(tensorboard, tmp_path):
    page = shown(tensorboard, "images", "training", "figures", "samples")
    page.wait_until(_LOADED_IMAGES + " > 0", seconds=600)
    keep(page, tmp_path, "images")
    assert complaints(page) == []


def test_histograms_are_on_their_page(tensorboard, tmp_path):
    page = shown(tensorboard, "histograms", "weights", "responsibilities", "log_variances")
    keep(page, tmp_path, "histograms")
    assert complaints(page) == []


def test_the_projector_shows_latents_with_sprites(tensorboard, tmp_path):
    page = shown(tensorboard, "projector", "370", "component", "PCA")
    assert num_colours(keep(page, tmp_path, "projector", seconds=20)) > _NUM_COLOURS
    assert complaints(page) == []


def test_hparams_show_settings_and_metrics_of_both_runs(tensorboard, tmp_path):
    page = shown(tensorboard, "hparams", "learning_rate", "metrics/elbo_test", "seed1/tensorboard")
    keep(page, tmp_path, "hparams")
    assert complaints(page) == []


def test_the_graph_is_on_its_page(tensorboard, tmp_path):
    page = shown(tensorboard, "graphs", "Main Graph", "encoder_decoder_prior_step", "metrics")
    keep(page, tmp_path, "graphs")
    assert complaints(page) == []


def test_the_report_shows_its_pictures_without_a_network(runs, tmp_path):
    page = runs / "seed0" / "report.html"
    assert page.read_text().count("<img ") == len(pictures.CAPTIONS)
    alone = tmp_path / "alone" / "report.html"  # without the files beside it either
    alone.parent.mkdir()
    shutil.copy(page, alone)
    result = browser.show(alone, tmp_path)
    assert result.console == []
    assert num_colours(result.pixels) > _NUM_COLOURS


# Pictures that have arrived, in shadow trees as well.
_LOADED_IMAGES = """
(() => {
  let count = 0;
  const visit = (node) => {
    if (node.nodeName === 'IMG' && node.complete && node.naturalWidth > 0) count += 1;
    if (node.shadowRoot) visit(node.shadowRoot);
    for (const child of node.childNodes) visit(child);
  };
  visit(document);
  return count;
})()
"""
