"""Figures of a model: samples, reconstructions, components, latent space, losses."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from tf_sintrovae.data.source import Source
from tf_sintrovae.drawing import (
    density_pair,
    grid,
    histogram_pair,
    image_figure,
    interleave,
    losses,
    render,
    scatter,
    to_rgb,
)
from tf_sintrovae.files import write_atomically
from tf_sintrovae.interpolations import draw_interpolations
from tf_sintrovae.kernels import mixture
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.views import View, principal_axes

_RC: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


class TrainingFigures:
    """Samples and reconstructions of a model in training, for TensorBoard.

    Args:
        model: model in training; drawn as it is at each call.
        source: data set, of which test examples of all classes are reconstructed.
        seed: seed of samples and of the choice of examples, so that figures of different epochs show the
            same latent noise.
    """

    def __init__(self, model: SoftIntroVAE, source: Source, seed: int) -> None:
        self._model = model
        self._source = source
        self._seed = (seed, 0)
        self._view = None if source.is_image else View.fit(source, seed)
        self._x = source.examples("test", 32 if source.is_image else 1000, seed).x

    def __call__(self) -> dict[str, np.ndarray]:
        """Draws figures [H, W, 3] uint8, by name."""
        model = self._model
        parameters = model.prior.parameters(model.encoder)
        count = 64 if self._source.is_image else 2000
        z, component = mixture.sample(
            count, parameters[0], parameters[1], parameters[2], self._seed
        )
        samples = model.decoder(z, training=False).numpy()
        reconstructions = model(self._x, training=False).numpy()
        if self._view is None:
            return {
                "samples": to_rgb(grid(samples, 8)),
                "reconstructions": to_rgb(grid(interleave(self._x, reconstructions, 8), 8)),
            }
        scattered = scatter(self._view(samples), component.numpy(), self._view.plot_range)
        return {"samples": render(scattered)}


def draw_figures(
    signatures: Mapping, source: Source, history: Sequence[Mapping], folder: pathlib.Path, seed: int
) -> list[pathlib.Path]:
    """Draws every figure of a trained model.

    Args:
        signatures: signatures of the export (`tf_sintrovae.serving.export`), by name.
        source: data set that the model was trained on.
        history: rows of losses, one an epoch.
        folder: folder for the PNG files.
        seed: seed of samples and of the choice of examples.

    Returns:
        The paths of the files.
    """
    draw = _image_figures if source.is_image else _point_figures
    with matplotlib.rc_context(_RC):
        figures = draw(signatures, source, seed)
        figures["latent_space"] = latent_space(signatures, source, seed)
        figures |= draw_interpolations(signatures, source, seed)
        if history:
            figures["losses"] = losses(history)
        return [_save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def _image_figures(signatures: Mapping, source: Source, seed: int) -> dict[str, Figure]:
    x = source.examples("test", 40, seed).x
    samples = _sample(signatures, 100, seed)["x"]
    pairs = interleave(x, _reconstruct(signatures, x), 10)
    return {
        "samples": image_figure(grid(samples, 10), "samples from the prior"),
        "reconstructions": image_figure(
            grid(pairs, 10), "test images, each above its reconstruction"
        ),
        "samples_by_component": _component_grid(signatures, seed),
    }


def _point_figures(signatures: Mapping, source: Source, seed: int) -> dict[str, Figure]:
    x, _ = source.examples("test", 5000, seed)
    fakes = _sample(signatures, 5000, seed)
    view, shown = View.fit(source, seed), slice(0, 2000)
    compared = histogram_pair if view.is_line else density_pair
    components = fakes["component"][shown]
    originals, labels = source.examples("test", 2000, seed)
    return {
        "samples": compared(view(x), view(fakes["x"]), view.plot_range),
        "reconstructions": scatter(
            view(_reconstruct(signatures, originals)), labels, view.plot_range
        ),
        "samples_by_component": scatter(view(fakes["x"][shown]), components, view.plot_range),
    }


def latent_space(signatures: Mapping, source: Source, seed: int) -> Figure:
    """Draws posterior means by class, and the prior's components, on the two principal axes of the means."""
    x, y = source.examples("test", 2000, seed)
    mean = _to_arrays(signatures["encode"](x=tf.constant(x)))["mean"]
    prior = _to_arrays(signatures["prior"]())
    centre, axes_2d = _latent_plane(mean)
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    projected = (mean - centre) @ axes_2d  # [N, 2]
    axes.scatter(projected[:, 0], projected[:, 1], c=y, cmap="tab10", s=3, alpha=0.6)
    _draw_components(axes, prior, centre, axes_2d)
    axes.set_title("posterior means by class, components at 2 standard deviations")
    axes.set_aspect("equal", "datalim")
    return figure


def _component_grid(
    signatures: Mapping, seed: int, columns: int = 12, most_rows: int = 20
) -> Figure:
    """Samples sorted by the component they came from, a row a component, heaviest first."""
    drawn = _sample(signatures, 4000, seed)
    weights = np.exp(_to_arrays(signatures["prior"]())["log_weights"])
    rows = []
    for component in np.argsort(-weights)[:most_rows]:
        images = drawn["x"][drawn["component"] == component][:columns]
        blank = np.ones((columns - len(images), *drawn["x"].shape[1:]), np.float32)
        rows.append(np.concatenate([images, blank]))
    return image_figure(grid(np.concatenate(rows), columns), "samples, a row for each component")


def _draw_components(
    axes: Axes,
    prior: Mapping[str, np.ndarray],
    centre: np.ndarray,
    axes_2d: np.ndarray,
    most: int = 100,
) -> None:
    weights = np.exp(prior["log_weights"])
    for k in np.argsort(-weights)[:most]:
        covariance = axes_2d.T @ (np.exp(prior["logvar"][k])[:, None] * axes_2d)  # [2, 2]
        variances, directions = np.linalg.eigh(covariance)
        width, height = 4.0 * np.sqrt(np.maximum(variances, 0.0))
        angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
        ellipse = Ellipse((prior["loc"][k] - centre) @ axes_2d, width, height, angle=angle)
        ellipse.set(fill=False, edgecolor="black", linewidth=0.8, alpha=0.7)
        axes.add_patch(ellipse)
    axes.plot(*((prior["loc"] - centre) @ axes_2d).T, "k+", markersize=5)


def _latent_plane(mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [L] and axes [L, 2] of the figure of the latent space; one latent unit lies along the first."""
    centre, axes = principal_axes(mean)
    return centre, np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))


def _sample(signatures: Mapping, count: int, seed: int) -> dict[str, np.ndarray]:
    words = [seed % 2**31, 1 + (seed >> 31) % 2**30]  # the signature takes int32
    drawn = signatures["sample"](num_samples=tf.constant(count), seed=tf.constant(words))
    return _to_arrays(drawn)


def _reconstruct(signatures: Mapping, x: np.ndarray) -> np.ndarray:
    mean = signatures["encode"](x=tf.constant(x))["mean"]
    return signatures["decode"](z=mean)["x"].numpy()


def _to_arrays(outputs: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in outputs.items()}


def _save(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """Writes a PNG file in one step."""
    write_atomically(path, FigureCanvasAgg(figure).print_png)
    return path
