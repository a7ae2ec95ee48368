"""Points of one's own, from file to figures, metrics and export; and how points are laid on the plane."""

import dataclasses
import json

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tests.support.cases import Case
from tests.support.runs import TINY
from tf_sintrovae import drawing, evaluation, main, views
from tf_sintrovae.data import ranges, registry
from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.serving import export
from tf_sintrovae.training import loop, workdir

FIGURES = {"samples", "reconstructions", "samples_by_component", "latent_space", "losses"}
FIGURES |= {"interpolations", "component_interpolations"}
QUICK = dataclasses.replace(
    TINY, dataset="files", widths=(8,), batch_size=16, steps_per_epoch=1, evaluate=True, export=True
)


def blobs(size, count=200, seed=0):
    """Two clusters [count, size] float32 around 3 and -3 in each coordinate, and which of the two."""
    y = np.arange(count) % 2
    x = np.random.default_rng(seed).normal(size=(count, size)) + 6.0 * y[:, None] - 3.0
    return x.astype(np.float32), y


def run(folder, path, **changes):
    """Runs the whole command on a file."""
    config = dataclasses.replace(QUICK, workdir=str(folder), data_dir=str(path), **changes)
    with workdir.open_workdir(config) as opened:
        main.run(config, opened)


def test_points_of_many_coordinates_run_from_end_to_end(tmp_path):
    x, y = blobs(5)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    run(tmp_path / "run", tmp_path / "mine.npz")
    assert {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")} == FIGURES
    metrics = json.loads((tmp_path / "run" / "results.json").read_text())["metrics"]
    assert {"elbo_test", "iwae_test", "knn5_accuracy_mean", "cluster_nmi"} <= set(metrics)
    assert not {"kl_nats", "gnelbo", "sample_classes_found"} & set(metrics)
    model = tf.saved_model.load(str(tmp_path / "run" / "saved_model"))
    sampled = model.signatures["sample"](num_samples=tf.constant(3), seed=tf.constant([0, 0]))["x"]
    assert sampled.shape == (3, 5)


def test_a_plane_of_ones_own_is_drawn_and_exported(tmp_path):
    x, _ = blobs(2)
    np.save(tmp_path / "mine.npy", 0.1 * x + [30.0, -5.0])  # float64, far from the origin
    run(tmp_path / "run", tmp_path / "mine.npy", evaluate=False)
    figures = {path.stem: PIL.Image.open(path) for path in (tmp_path / "run/figures").glob("*.png")}
    assert set(figures) == FIGURES
    data = np.asarray(figures["samples"].convert("RGB"))[:, :400].reshape(-1, 3)
    assert len(np.unique(data, axis=0)) > 10  # the histogram of the data is no empty square
    assert (tmp_path / "run" / "saved_model" / "saved_model.pb").exists()


@pytest.mark.slow
def test_a_plane_of_ones_own_is_measured(tmp_path):
    x, y = blobs(2)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    run(tmp_path / "run", tmp_path / "mine.npz")
    metrics = json.loads((tmp_path / "run" / "results.json").read_text())["metrics"]
    assert {"kl_nats", "gnelbo", "knn5_accuracy_mean", "outside_share"} <= set(metrics)


def test_metrics_of_a_plane_of_ones_own():
    source = ArraySource("mine", *held_out(*blobs(2)))
    assert {"divergences", "gnelbo", "representation", "clustering"} <= set(
        evaluation.applicable(source)
    )
    assert not {"modes", "class_coverage", "sample_quality"} & set(evaluation.applicable(source))
    options = evaluation.Options(gnelbo_grid=8, num_points=100)
    model = export.Servable(Case("points", "mixture").model())
    metrics = evaluation.evaluate(model, source, ("divergences", "gnelbo"), options=options)
    assert metrics["kl_nats"] > 0 and metrics["gnelbo"] > 0


def test_arrays_train_as_the_page_on_data_says(tmp_path):
    source = ArraySource("mine", *held_out(*blobs(3)))
    config = dataclasses.replace(QUICK, workdir=str(tmp_path))
    with workdir.open_workdir(config) as opened:
        model = loop.train(config, source, opened)
    assert int(model.step.numpy()) == 6
    assert model(source.examples("test").x).shape == (20, 3)


def test_what_is_drawn_of_numbers_is_a_histogram():
    source = ArraySource("mine", *held_out(*blobs(1)))
    view = views.View.fit(source, 0)
    points = view(source.examples("train").x)
    np.testing.assert_array_equal(points[:, :1], source.examples("train").x)
    assert view.is_line and 0 <= points[:, 1].min() <= points[:, 1].max() <= 1
    axes = drawing.histogram_pair(points, points[:10], view.plot_range).axes[0]
    for bars in axes.containers:
        assert sum(bar.get_height() * bar.get_width() for bar in bars) == pytest.approx(1.0)


def test_points_of_many_coordinates_are_shown_on_the_principal_axes_of_the_data():
    """Data along two known directions; samples are projected as the data are."""
    random = np.random.default_rng(0)
    directions = np.linalg.qr(random.normal(size=(6, 2)))[0]
    along = random.normal(size=(400, 2)) * [5.0, 2.0]
    x = (along @ directions.T + 7.0).astype(np.float32)
    view = views.View.fit(ArraySource("mine", x, x_test=x), 0)
    projected = view(x)
    centred = along - along.mean(axis=0)
    np.testing.assert_allclose(
        np.linalg.norm(projected, axis=1), np.linalg.norm(centred, axis=1), rtol=1e-3, atol=1e-3
    )
    assert np.std(projected[:, 0]) > np.std(projected[:, 1])
    np.testing.assert_allclose(
        view(x[:1] + directions[:, 0]), projected[:1] + view.axes.T @ directions[:, 0], atol=1e-3
    )
    (low, high), _ = view.plot_range
    assert low < projected[:, 0].min() and projected[:, 0].max() < high


def test_a_single_training_point_has_a_view():
    x = np.ones((1, 4), np.float32)
    assert views.View.fit(ArraySource("mine", x, x_test=x), 0)(x).shape == (1, 2)


@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_a_range_holds_the_points_and_little_more(shift):
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 2)) * [1.0, 30.0] + shift
    for (low, high), column in zip(ranges.fit(points), points.T, strict=True):
        assert np.mean((low <= column) & (column <= high)) == 1.0
        assert high - low < 1.15 * np.ptp(column)


def test_a_single_outlier_does_not_blow_up_the_range_and_a_constant_has_a_width():
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 2))
    points[0] = 1e6
    assert all(high - low < 3 for low, high in ranges.fit(points))
    for value in (0.0, 1e-30, -7.0, 1e30):
        for low, high in ranges.fit(np.full((3, 2), value)):
            assert low < value < high


def test_a_source_of_another_shape_has_no_range():
    for source in (registry.load("digits"), ArraySource("mine", blobs(3)[0])):
        assert source.plot_range is None


def test_an_oblong_range_is_drawn_as_a_square():
    points = np.zeros((3, 2))
    sides = {}
    for height in (2.0, 100.0):
        axes = drawing.scatter(points, np.arange(3), ((0.0, 1.0), (0.0, height))).axes[0]
        sides[height] = axes.get_aspect()
    assert sides == {2.0: 1.0, 100.0: pytest.approx(0.01)}
