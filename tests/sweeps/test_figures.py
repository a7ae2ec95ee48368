"""Figures that compare runs."""

import matplotlib.image
import numpy as np
import pytest

from tests.support.fake_jobs import make_sweep, run_all
from tf_sintrovae.sweeps import figures, outcome

SWEEP = make_sweep()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished sweep whose runs have pictures: those of variant a red, those of b blue."""
    folder = run_all(tmp_path_factory.mktemp("sweep"), SWEEP)
    for job in SWEEP.jobs[:2]:
        picture = np.zeros((40, 40, 3))
        picture[..., 0 if job.factors["variant"] == "a" else 2] = 1.0
        (folder.run(job) / "figures").mkdir()
        matplotlib.image.imsave(folder.run(job) / "figures" / "samples.png", picture)
    return folder


def test_pictures_stand_side_by_side_in_the_order_of_the_rows(folder, tmp_path):
    path = figures.draw_side_by_side(SWEEP, folder, "", "samples", tmp_path / "both.png")
    drawn = matplotlib.image.imread(path)[..., :3]
    red = (drawn == [1, 0, 0]).all(axis=-1)
    blue = (drawn == [0, 0, 1]).all(axis=-1)
    assert red.sum() > 10_000 and blue.sum() == pytest.approx(red.sum(), rel=0.01)
    assert np.nonzero(red)[1].max() < np.nonzero(blue)[1].min()


def test_pictures_that_are_missing_or_too_many_are_left_out(folder, tmp_path, monkeypatch):
    assert figures.draw_side_by_side(SWEEP, folder, "", "latent_space", tmp_path / "x.png") is None
    monkeypatch.setattr(figures, "_MOST_PICTURES", 1)
    assert figures.draw_side_by_side(SWEEP, folder, "", "samples", tmp_path / "x.png") is None
    assert not (tmp_path / "x.png").exists()


def test_the_outcome_names_its_files(folder):
    paths = outcome.write_outcome(SWEEP, folder)
    names = [str(path.relative_to(folder.root)) for path in paths]
    tables = ["table.csv", "table.md", "table.tex"]
    assert names == [*tables, "figures/metrics.png", "figures/samples.png"]
    assert all(path.stat().st_size > 0 for path in paths)
