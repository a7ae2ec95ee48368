"""Pictures of a model: samples, reconstructions, components, latent space, losses."""

import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from tf_sintrovae.data.ranges import PlotRange
from tf_sintrovae.data.source import Source
from tf_sintrovae.files import write_atomically
from tf_sintrovae.kernels import mixture
from tf_sintrovae.views import View, principal_axes

_COLOURS = matplotlib.colormaps["tab10"]
# Above this ratio of its sides a range is drawn as a square, else true to scale.
_MOST_OBLONG = 4.0
_RC = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


class TrainingFigures:
    """Samples and reconstructions of a model in training, for TensorBoard.

    Args:
        model: the `SoftIntroVAE`; drawn as it is at each call.
        source: the data set; test examples of all classes are reconstructed.
        seed: seed of samples and of the choice of examples, so that pictures of different epochs show the
            same latent noise.
    """

    def __init__(self, model, source: Source, seed: int):
        self._model = model
        self._source = source
        self._seed = (seed, 0)
        self._view = None if source.is_image else View.fit(source, seed)
        self._x = source.examples("test", 32 if source.is_image else 1000, seed).x

    def __call__(self) -> dict[str, np.ndarray]:
        """Named pictures [H, W, 3] uint8."""
        model = self._model
        parameters = model.prior.parameters(model.encoder)
        count = 64 if self._source.is_image else 2000
        z, component = mixture.sample(count, *parameters, self._seed)
        samples = model.decoder(z, training=False).numpy()
        reconstructions = model(self._x, training=False).numpy()
        if self._source.is_image:
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
        signatures: of the export (`tf_sintrovae.serving.export`), by name.
        source: the data set.
        history: rows of losses, one an epoch.
        folder: takes the PNG files.
        seed: of samples and of the examples shown.

    Returns:
        The files.
    """
    draw = _image_figures if source.is_image else _point_figures
    with matplotlib.rc_context(_RC):
        figures = draw(signatures, source, seed)
        figures["latent_space"] = latent_space(signatures, source, seed)
        if history:
            figures["losses"] = losses(history)
        return [_save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def _image_figures(signatures, source: Source, seed: int) -> dict[str, Figure]:
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


def _point_figures(signatures, source: Source, seed: int) -> dict[str, Figure]:
    x, _ = source.examples("test", 5000, seed)
    fakes = _sample(signatures, 5000, seed)
    view, shown = View.fit(source, seed), slice(0, 2000)
    compared = _histogram_pair if view.is_line else _density_pair
    components = fakes["component"][shown]
    originals, labels = source.examples("test", 2000, seed)
    return {
        "samples": compared(view(x), view(fakes["x"]), view.plot_range),
        "reconstructions": scatter(
            view(_reconstruct(signatures, originals)), labels, view.plot_range
        ),
        "samples_by_component": scatter(view(fakes["x"][shown]), components, view.plot_range),
    }


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Lays [N, H, W, C] images row by row: [rows * (H + 1), columns * (W + 1), C], a white line between."""
    rows = -(-len(images) // columns)
    blank = np.ones((rows * columns - len(images), *images.shape[1:]), images.dtype)
    framed = np.pad(
        np.concatenate([images, blank]), ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1
    )
    _, height, width, channels = framed.shape
    framed = framed.reshape(rows, columns, height, width, channels)
    return framed.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def interleave(originals: np.ndarray, others: np.ndarray, columns: int) -> np.ndarray:
    """Rows of `columns` originals, each followed by the row of what became of them."""
    rows = [
        part
        for start in range(0, len(originals), columns)
        for part in (originals[start : start + columns], others[start : start + columns])
    ]
    return np.concatenate(rows)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """[H, W, C] in [0, 1] -> [H, W, 3] uint8, grey repeated."""
    values = np.clip(255.0 * image, 0, 255).astype(np.uint8)
    return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values


def image_figure(image: np.ndarray, title: str) -> Figure:
    """An image [H, W, C] in [0, 1] under a title."""
    height, width = image.shape[:2]
    figure = Figure(figsize=(6, 6 * height / width + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(to_rgb(image), interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)
    return figure


def scatter(points: np.ndarray, labels: np.ndarray, plot_range: PlotRange) -> Figure:
    """Points [N, 2] coloured by label, on a part of the plane."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*points.T, c=labels, cmap="tab20", s=2)
    _show(axes, plot_range)
    return figure


def latent_space(signatures, source: Source, seed: int) -> Figure:
    """Posterior means by class, and the prior's components, on the two principal axes of the means."""
    x, y = source.examples("test", 2000, seed)
    mean = _to_arrays(signatures["encode"](x=tf.constant(x)))["mean"]
    prior = _to_arrays(signatures["prior"]())
    centre, axes_2d = _latent_plane(mean)
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*((mean - centre) @ axes_2d).T, c=y, cmap="tab10", s=3, alpha=0.6)
    _draw_components(axes, prior, centre, axes_2d)
    axes.set_title("posterior means by class, components at 2 standard deviations")
    axes.set_aspect("equal", "datalim")
    return figure


def losses(history: Sequence[Mapping]) -> Figure:
    """Every recorded mean against the epoch, a panel each; the hue changes with the stage."""
    names = list(dict.fromkeys(n for row in history for n in row))
    names = [name for name in names if name not in ("epoch", "step", "stage")]
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3 * columns, 2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        for colour, stage in enumerate(("vae", "introspective")):
            points = [(r["epoch"], r[name]) for r in history if r["stage"] == stage and name in r]
            axes.plot(*zip(*points, strict=True) if points else ((), ()), color=_COLOURS(colour))
        axes.set_title(name)
    return figure


def render(figure: Figure) -> np.ndarray:
    """A figure as [H, W, 3] uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _component_grid(signatures, seed, columns=12, most_rows=20) -> Figure:
    """Samples sorted by the component they came from, a row a component, heaviest first."""
    drawn = _sample(signatures, 4000, seed)
    weights = np.exp(_to_arrays(signatures["prior"]())["log_weights"])
    rows = []
    for component in np.argsort(-weights)[:most_rows]:
        images = drawn["x"][drawn["component"] == component][:columns]
        blank = np.ones((columns - len(images), *drawn["x"].shape[1:]), np.float32)
        rows.append(np.concatenate([images, blank]))
    return image_figure(grid(np.concatenate(rows), columns), "samples, a row for each component")


def _density_pair(real, fake, plot_range) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, points, title in zip(
        figure.subplots(1, 2), (real, fake), ("data", "samples"), strict=True
    ):
        with np.errstate(invalid="ignore"):  # a panel without any point inside stays blank
            axes.hist2d(*points.T, bins=100, range=plot_range, density=True, cmap="viridis")
        axes.set_title(title)
        _show(axes, plot_range)
    return figure


def _histogram_pair(real, fake, plot_range) -> Figure:
    """The first coordinates of data and samples."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for points, name in ((real, "data"), (fake, "samples")):
        with np.errstate(invalid="ignore"):  # as in _density_pair
            axes.hist(points[:, 0], 100, range=plot_range[0], density=True, alpha=0.5, label=name)
    axes.legend()
    return figure


def _draw_components(axes, prior, centre, axes_2d, most=100) -> None:
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


def _latent_plane(mean):
    """Centre [L] and axes [L, 2] of the figure of the latent space; one latent unit lies along the first."""
    centre, axes = principal_axes(mean)
    return centre, np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))


def _show(axes, plot_range: PlotRange) -> None:
    (left, right), (bottom, top) = plot_range
    width, height = right - left, top - bottom
    is_oblong = max(width, height) > _MOST_OBLONG * min(width, height)
    aspect = width / height if is_oblong else "equal"
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect=aspect)


def _sample(signatures, count, seed) -> dict[str, np.ndarray]:
    words = [seed % 2**31, 1 + (seed >> 31) % 2**30]  # the signature takes int32
    drawn = signatures["sample"](num_samples=tf.constant(count), seed=tf.constant(words))
    return _to_arrays(drawn)


def _reconstruct(signatures, x) -> np.ndarray:
    mean = signatures["encode"](x=tf.constant(x))["mean"]
    return signatures["decode"](z=mean)["x"].numpy()


def _to_arrays(outputs) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in outputs.items()}


def _save(figure: Figure, path: pathlib.Path) -> pathlib.Path:
    """Writes a PNG file in one step."""
    write_atomically(path, FigureCanvasAgg(figure).print_png)
    return path
