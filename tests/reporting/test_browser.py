"""Reports in a real browser, the network cut: pictures are there, nothing is complained about."""

import numpy as np
import pytest

from tests.support import browser
from tests.support.made_runs import make_run, picture
from tests.support.runs import PLANE, command
from tf_sintrovae.reporting import pictures
from tf_sintrovae.reporting.comparison import comparison_page
from tf_sintrovae.reporting.report_file import write_report
from tf_sintrovae.reporting.run_files import read_run

pytestmark = pytest.mark.slow

COLOURS = dict(
    zip(pictures.CAPTIONS, np.random.default_rng(0).integers(40, 220, (6, 3)), strict=True)
)
USE = {
    **{"num_components": 2, "inactive": 0, "inactive_by_responsibility": 0, "components": [1, 0]},
    **{
        "weights": [0.75, 0.25],
        "responsibilities": [0.5, 0.5],
        "classes": [[0.4, 0.1], [0.1, 0.4]],
    },
}


@pytest.fixture(scope="module", autouse=True)
def browser_is_there():
    browser.require()


def coloured_run(folder):
    """A run whose pictures are each of one colour."""
    run = make_run(folder, components=USE, results={"metrics": {"elbo_test": -80.0}})
    for name, colour in COLOURS.items():
        picture(run / "figures" / f"{name}.png", colour, (600, 600))
    return run


def test_a_page_that_is_complained_about_is_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><title>t</title><body><script>console.error('oh no')</script>")
    assert "oh no" in "".join(browser.show(page, tmp_path).console)


@pytest.mark.parametrize("dark", [False, True])
def test_a_report_shows_its_pictures(tmp_path, dark):
    run = coloured_run(tmp_path / "run")
    write_report(run)
    shown = browser.show(run / "report.html", tmp_path, dark=dark)
    assert shown.console == []
    for name, colour in COLOURS.items():
        assert browser.share_of(shown.pixels, tuple(colour)) > 0.01, name
    background = (21, 23, 26) if dark else (255, 255, 255)
    assert (shown.pixels[-1, 0] == background).all()
    text = (230, 232, 234) if dark else (28, 30, 33)
    assert browser.share_of(shown.pixels[:100], text) > 0.001  # the heading
    assert browser.share_of(shown.pixels, (47, 127, 208)) > 0.0005  # curves, and bars


def test_a_comparison_shows_the_pictures_of_all_runs(tmp_path):
    runs = [coloured_run(tmp_path / name) for name in ("one", "other")]
    picture(runs[1] / "figures" / "samples.png", (1, 200, 3), (600, 600))
    page = tmp_path / "comparison.html"
    page.write_text(comparison_page([read_run(run) for run in runs]))
    shown = browser.show(page, tmp_path, size=(1300, 5000))
    assert shown.console == []
    assert browser.share_of(shown.pixels, (1, 200, 3)) > 0.01
    assert browser.share_of(shown.pixels, tuple(COLOURS["samples"])) > 0.01


def test_the_report_of_a_real_run_opens(tmp_path):
    """Of a run as people make it, with everything that a run draws."""
    settings = PLANE | {"epochs": 4, "vae_epochs": 2, "mixture_warmup_epochs": 1}
    settings |= {"steps_per_epoch": 5, "num_components": 4, "num_mc_samples": 2}
    flags = [f"--{name}={value}" for name, value in settings.items() if name != "widths"]
    done = command(*flags, "--widths=8", "--noevaluate", f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "run" / "report.html"
    assert page.read_text().count("<img ") == len(pictures.CAPTIONS)
    shown = browser.show(page, tmp_path)
    assert shown.console == []
    assert len(np.unique(shown.pixels.reshape(-1, 3), axis=0)) > 500
