"""The embedding projector's files: latents of test examples, and the components among them."""

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import PIL.Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tf_sintrovae import drawing
from tf_sintrovae.data.source import Source
from tf_sintrovae.files import write_atomically

CONFIG, LATENTS, LABELS, SPRITES = (
    "projector_config.pbtxt",
    "latents.tsv",
    "labels.tsv",
    "sprites.png",
)
_MOST_EXAMPLES = 2000
_MOST_COMPONENTS = 200  # the heaviest
_MOST_VALUES = 2**19  # of the latent vectors of either
_BATCH = 100
_LEAST_SIDE, _MOST_SIDE = 28, 64  # of a sprite, in pixels
_BORDER = (220, 40, 40)  # around decoded means of components


def write_projection(
    signatures: Mapping[str, Callable[..., Any]], source: Source, folder: pathlib.Path, seed: int
) -> None:
    """Writes what the projector shows of a model, over what it showed before.

    The counts are always the same in a run, so that files of before and after, as a killed process may leave
    them, still fit each other.

    Args:
        signatures: signatures of the export (`tf_sintrovae.serving.servable`), by name.
        source: data set of the run.
        folder: folder of the run's event file.
        seed: seed of the choice of test examples.

    Raises:
        OSError: a file cannot be written.
    """
    prior = {name: value.numpy() for name, value in signatures["prior"]().items()}
    latent_dim = prior["loc"].shape[1]
    count = max(1, min(_MOST_EXAMPLES, _MOST_VALUES // latent_dim))
    x, y = source.examples("test", count, seed)
    chosen = np.argsort(-prior["log_weights"], kind="stable")[
        : min(_MOST_COMPONENTS, max(1, _MOST_VALUES // latent_dim))
    ]
    means = _in_batches(lambda part: signatures["encode"](x=part)["mean"], x)
    components = _in_batches(
        lambda part: signatures["responsibilities"](z=part)["responsibilities"].numpy().argmax(1),
        means,
    )
    latents = np.concatenate([means, prior["loc"][chosen]])
    rows = _example_rows(source, y, components) + _component_rows(prior["log_weights"], chosen)
    config = ProjectorConfig()
    entry = config.embeddings.add(
        tensor_name="latents",
        tensor_path=LATENTS,
        tensor_shape=latents.shape,
        metadata_path=LABELS,
    )
    write_atomically(folder / LATENTS, _table([[f"{v:.6g}" for v in row] for row in latents]))
    write_atomically(folder / LABELS, _table([["name", "class", "component"], *rows]))
    if source.is_image:
        decoded = _in_batches(lambda part: signatures["decode"](z=part)["x"], latents[len(x) :])
        sprites = [_sprite(image) for image in x] + [_framed(_sprite(image)) for image in decoded]
        height, width = sprites[0].shape[:2]
        entry.sprite.image_path = SPRITES
        entry.sprite.single_image_dim.extend([width, height])
        sheet = PIL.Image.fromarray(_sheet(np.stack(sprites)))
        write_atomically(folder / SPRITES, lambda file: sheet.save(file, "PNG"))
    write_atomically(folder / CONFIG, str(config))


def _in_batches(function: Callable[[np.ndarray], Any], rows: np.ndarray) -> np.ndarray:
    """A function of [B, ...] applied to [N, ...], so many at a time as memory takes."""
    parts = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    return np.concatenate([np.asarray(function(part)) for part in parts])


def _example_rows(source: Source, labels: np.ndarray, components: np.ndarray) -> list[list[str]]:
    """Name, class and most responsible component of test examples."""
    names = [_class_name(source, int(label)) for label in labels]
    return [[name, name, str(k)] for name, k in zip(names, components, strict=True)]


def _component_rows(log_weights: np.ndarray, chosen: np.ndarray) -> list[list[str]]:
    """The same of components, whose class is that they are components."""
    weights = np.exp(log_weights)
    return [[f"component {k}, weight {weights[k]:.3g}", "component", str(k)] for k in chosen]


def _class_name(source: Source, label: int) -> str:
    if source.num_classes == 0:
        return "example"
    known = source.class_names
    return " ".join(known[label].split()) if label < len(known) else str(label)


def _table(rows: list[list[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _sprite(image: np.ndarray) -> np.ndarray:
    """An image [H, W, C] in [0, 1] as [h, w, 3] uint8, of a size that is seen and that a sheet can hold."""
    pixels = drawing.to_rgb(image)
    side = max(pixels.shape[:2])
    if side < _LEAST_SIDE:
        times = -(-_LEAST_SIDE // side)
        return pixels.repeat(times, axis=0).repeat(times, axis=1)
    if side > _MOST_SIDE:
        height, width = (max(1, round(n * _MOST_SIDE / side)) for n in pixels.shape[:2])
        return np.asarray(PIL.Image.fromarray(pixels).resize((width, height)))
    return pixels


def _framed(sprite: np.ndarray) -> np.ndarray:
    """A sprite with a border of three pixels."""
    framed = np.full_like(sprite, _BORDER)
    framed[3:-3, 3:-3] = sprite[3:-3, 3:-3]
    return framed


def _sheet(sprites: np.ndarray) -> np.ndarray:
    """Sprites [N, h, w, 3] row by row on a square of as many columns as rows, black where there are none."""
    count, height, width, channels = sprites.shape
    side = math.isqrt(count - 1) + 1
    cells = np.zeros((side * side, height, width, channels), np.uint8)
    cells[:count] = sprites
    cells = cells.reshape(side, side, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(side * height, side * width, channels)
