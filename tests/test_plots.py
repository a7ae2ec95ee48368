"""Figures: what is laid where, and files of sensible sizes."""

import matplotlib
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tf_sintrovae import drawing, interpolations, plots
from tf_sintrovae.data import registry
from tf_sintrovae.data.ranges import square
from tf_sintrovae.data.sources.arrays import ArraySource, held_out
from tf_sintrovae.generation import gallery


def flat(value, count=1):
    """`count` images [1, 1, 1] of one value."""
    return np.full((count, 1, 1, 1), value, np.float32)


def test_a_grid_by_hand():
    images = np.concatenate([flat(0.1), flat(0.2), flat(0.3)])
    laid = drawing.grid(images, columns=2)
    expected = [
        [0.1, 1, 0.2, 1],
        [1, 1, 1, 1],
        [0.3, 1, 1, 1],  # the place without an image is white
        [1, 1, 1, 1],
    ]
    np.testing.assert_array_equal(laid[..., 0], np.float32(expected))


def test_a_grid_keeps_the_rows_and_columns_of_each_image():
    images = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)  # two images of 2 x 3, 2 channels
    laid = drawing.grid(images, columns=2)
    assert laid.shape == (3, 8, 2)
    np.testing.assert_array_equal(laid[:2, :3], images[0])
    np.testing.assert_array_equal(laid[:2, 4:7], images[1])


def test_interleaved_rows_by_hand():
    originals, others = np.array([1, 2, 3, 4, 5]), np.array([10, 20, 30, 40, 50])
    expected = [1, 2, 10, 20, 3, 4, 30, 40, 5, 50]
    np.testing.assert_array_equal(drawing.interleave(originals, others, 2), expected)


def test_bytes_are_clipped_and_truncated_and_grey_is_repeated():
    values = np.float32([-1.0, 0.0, 0.5, 0.999, 1.0, 7.0]).reshape(1, 6, 1)
    image = drawing.to_rgb(values)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 127, 254, 255, 255])
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    coloured = np.stack([np.zeros((2, 2)), np.ones((2, 2)), np.zeros((2, 2))], axis=-1)
    np.testing.assert_array_equal(drawing.to_rgb(coloured)[0, 0], [0, 255, 0])


def test_a_figure_has_the_proportions_of_its_image():
    width, height = drawing.image_figure(np.zeros((30, 60, 1)), "title").get_size_inches()
    assert (width, height) == pytest.approx((6.0, 3.3))


def test_a_rendered_figure_shows_its_points_in_the_colours_of_their_labels():
    points = np.array([[-1.0, 0.0], [1.0, 0.0]])
    image = drawing.render(drawing.scatter(points, np.array([0, 1]), square(2.0)))
    assert image.shape == (400, 400, 3)
    assert image.dtype == np.uint8
    tab20 = [
        tuple(np.uint8(np.round(255 * np.array(matplotlib.colormaps["tab20"](c)[:3]))))
        for c in (0, 19)
    ]
    middles = [np.argwhere((image == colour).all(axis=-1)).mean(axis=0) for colour in tab20]
    assert middles[0][1] < 200 < middles[1][1]  # left and right
    assert middles[0][0] == pytest.approx(middles[1][0], abs=2)  # at one height


def test_losses_have_a_panel_each_and_a_hue_for_each_stage():
    history = [
        {"epoch": 1, "step": 5, "stage": "vae", "rec": 3.0, "kl": 1.0},
        {"epoch": 2, "step": 10, "stage": "introspective", "rec": 2.0, "kl_fake": 4.0},
    ]
    panels = [axes for axes in drawing.losses(history).axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["rec", "kl", "kl_fake"]
    drawn = [[line.get_xydata().tolist() for line in axes.lines] for axes in panels]
    assert drawn == [[[[1, 3]], [[2, 2]]], [[[1, 1]], []], [[], [[2, 4]]]]
    first, second = panels[0].lines
    assert first.get_color() != second.get_color()


def fake_signatures(shape, latent_dim, num_components=3):
    """Signatures of a model whose latent space is the first values of an example."""
    size = int(np.prod(shape))
    generator = np.random.default_rng(0)
    loc = generator.normal(size=(num_components, latent_dim)).astype(np.float32)

    def decode(z):
        return {"x": tf.reshape(tf.repeat(z[:, :1], size, axis=1), (-1, *shape))}

    def encode(x):
        mean = tf.reshape(x, (len(x), size))[:, :latent_dim]
        return {"mean": mean, "logvar": tf.zeros_like(mean)}

    def sample(num_samples, seed):
        count = int(num_samples)
        z = tf.random.stateless_normal((count, latent_dim), seed)
        component = tf.cast(tf.range(count) % num_components, tf.int32)
        return decode(z) | {"z": z, "component": component}

    def prior():
        weights = np.log(np.full(num_components, 1 / num_components, np.float32))
        values = {"loc": loc, "logvar": np.zeros_like(loc), "log_weights": weights}
        return {name: tf.constant(value) for name, value in values.items()}

    return {"decode": decode, "encode": encode, "sample": sample, "prior": prior}


SIZES = {  # width, height in pixels
    "digits": {
        "samples": (600, 630),
        "reconstructions": (600, 510),  # 8 rows of 10
        "samples_by_component": (600, 180),  # 3 rows of 12
        "interpolations": (600, 510),  # 8 rows of 10
        "component_interpolations": (600, 150),  # from the first of 3 to the last
        "latent_space": (550, 500),
        "losses": (1200, 200),
    },
    "8gaussians": {
        "samples": (800, 400),
        "reconstructions": (400, 400),
        "samples_by_component": (400, 400),
        "interpolations": (400, 420),
        "component_interpolations": (400, 420),
        "latent_space": (550, 500),
        "losses": (1200, 200),
    },
}


@pytest.mark.parametrize("name", SIZES)
def test_all_figures_of_a_model_are_drawn_in_one_step_each(name, tmp_path):
    source = registry.load(name)
    signatures = fake_signatures(source.shape, latent_dim=5 if source.is_image else 2)
    history = [{"epoch": 1, "step": 5, "stage": "vae", "loss": 1.0}]
    paths = plots.draw_figures(signatures, source, history, tmp_path, seed=0)
    assert sorted(paths) == sorted(tmp_path.iterdir())  # and no temporary file is left
    sizes = {path.stem: PIL.Image.open(path).size for path in paths}
    assert sizes.keys() == SIZES[name].keys()
    for figure, size in SIZES[name].items():
        assert sizes[figure] == pytest.approx(size, abs=1), figure
    for path in paths:
        assert len(np.unique(np.asarray(PIL.Image.open(path).convert("L")))) > 5, "blank"


@pytest.mark.parametrize("size", [1, 2, 7])
def test_points_of_any_number_of_coordinates_are_drawn(size, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, size)).astype(np.float32)
    source = ArraySource("mine", *held_out(x))
    signatures = fake_signatures((size,), latent_dim=min(size, 3))
    for path in plots.draw_figures(signatures, source, [], tmp_path, seed=2**40):
        drawn = np.asarray(PIL.Image.open(path).convert("L"))
        assert len(np.unique(drawn)) > 5, f"{path.stem} is blank"


def test_without_losses_the_figure_is_left_out(tmp_path):
    source = registry.load("rings")
    paths = plots.draw_figures(fake_signatures((2,), 2), source, [], tmp_path, seed=0)
    assert "losses" not in {path.stem for path in paths}


def test_components_are_ellipses_of_two_standard_deviations():
    signatures = fake_signatures((2,), 2, num_components=1)
    location = signatures["prior"]()["loc"].numpy()[0]
    source = registry.load("rings")
    ellipse = plots.latent_space(signatures, source, seed=0).axes[0].patches[0]
    assert (ellipse.width, ellipse.height) == pytest.approx((4.0, 4.0))
    np.testing.assert_allclose(ellipse.center, location, atol=1e-6)


def test_lines_between_latent_vectors_by_hand():
    starts, ends = np.float32([[0.0, 1.0], [2.0, 2.0]]), np.float32([[4.0, 1.0], [2.0, 0.0]])
    points = gallery.between(starts, ends, 3)
    expected = [[[0, 1], [2, 1], [4, 1]], [[2, 2], [2, 1], [2, 0]]]
    np.testing.assert_array_equal(points, np.float32(expected))


def test_a_single_component_has_no_other_to_go_to(tmp_path):
    source = registry.load("rings")
    signatures = fake_signatures((2,), 2, num_components=1)
    paths = plots.draw_figures(signatures, source, [], tmp_path, seed=0)
    names = {path.stem for path in paths}
    assert "interpolations" in names and "component_interpolations" not in names


def test_ways_lead_between_components_of_all_weights_but_inactive_ones():
    """Of 20 components by falling weight, 2 of them inactive, every second is taken, nine in all."""
    weights = np.concatenate([np.linspace(2.0, 1.0, 18), [1e-3, 1e-4]])
    prior = {
        "loc": tf.constant(np.arange(20.0)[:, None]),
        "log_weights": tf.constant(np.log(weights / weights.sum())),
    }
    found = interpolations._spread_components({"prior": lambda: prior})
    np.testing.assert_array_equal(found[:, 0], np.arange(0, 18, 2))
