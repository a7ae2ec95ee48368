"""Figures of straight lines in the latent space, between test examples and between components."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tf_sintrovae.data.source import Source
from tf_sintrovae.drawing import grid, image_figure, ways
from tf_sintrovae.generation.gallery import between
from tf_sintrovae.views import View

_ROWS = 8
_STEPS = 10  # of a row of images, both ends among them
_POINT_STEPS = 50
_TITLES = {
    "interpolations": "between two test examples",
    "component_interpolations": "from component to component",
}


def draw_interpolations(signatures: Mapping, source: Source, seed: int) -> dict[str, Figure]:
    """Draws what the decoder makes of the points between posterior means, and between components' means.

    Args:
        signatures: signatures of the export (`tf_sintrovae.serving.export`), by name.
        source: data set that the model was trained on.
        seed: seed of the choice of examples.

    Returns:
        Figures by name; without the second one where fewer than two components are active.
    """
    x = source.examples("test", 2 * _ROWS, seed).x
    mean = signatures["encode"](x=tf.constant(x))["mean"].numpy()
    middle = len(mean) // 2
    pairs = {"interpolations": (mean[:middle], mean[middle : 2 * middle])}
    loc = _spread_components(signatures)
    if len(loc) > 1:
        pairs["component_interpolations"] = (loc[:-1], loc[1:])
    draw = _image_figure if source.is_image else _point_figure
    return {
        name: draw(signatures, source, between(*ends, _steps(source)), _TITLES[name], seed)
        for name, ends in pairs.items()
        if len(ends[0])
    }


def _steps(source: Source) -> int:
    return _STEPS if source.is_image else _POINT_STEPS


def _spread_components(signatures: Mapping) -> np.ndarray:
    """Means [K', L] of a few active components, from the heaviest to the lightest."""
    prior = signatures["prior"]()
    log_weights = prior["log_weights"].numpy()
    order = np.argsort(-log_weights, kind="stable")
    active = order[log_weights[order] >= -2.0 * np.log(len(order))]
    every = max(1, len(active) // (_ROWS + 1))
    return prior["loc"].numpy()[active[::every][: _ROWS + 1]]


def _image_figure(
    signatures: Mapping, source: Source, z: np.ndarray, title: str, seed: int
) -> Figure:
    return image_figure(grid(_decode(signatures, z), _STEPS), title)


def _point_figure(
    signatures: Mapping, source: Source, z: np.ndarray, title: str, seed: int
) -> Figure:
    """The ways as lines among the data."""
    view = View.fit(source, seed)
    data = view(source.examples("test", 1000, seed).x)
    lines = view(_decode(signatures, z)).reshape(len(z), -1, 2)
    return ways(data, lines, title, view.plot_range)


def _decode(signatures: Mapping, z: np.ndarray) -> np.ndarray:
    """Decodes [N, steps, L] to [N * steps, *shape]."""
    flat = z.reshape(-1, z.shape[-1])
    return signatures["decode"](z=tf.constant(flat))["x"].numpy()
