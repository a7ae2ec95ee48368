"""What a model in training looks like: pictures in `snapshots/`, and how its components are used."""

import functools
import pathlib
import shutil
from collections.abc import Callable, Mapping

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import tensorflow as tf

from tf_sintrovae.data.source import Source
from tf_sintrovae.files import write_atomically
from tf_sintrovae.kernels import mixture
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.reporting import component_use
from tf_sintrovae.reporting.file_names import SNAPSHOTS

_NUM_EXAMPLES = 1000  # whose responsibilities are averaged


class Snapshots:
    """Draws a model as it is into the folder of its run, each time over the last.

    Args:
        model: model in training.
        source: data set, of which test examples are encoded.
        draw: function that gives named figures [H, W, 3] uint8 of the model.
        seed: seed of the choice of examples.
    """

    def __init__(
        self,
        model: SoftIntroVAE,
        source: Source,
        draw: Callable[[], Mapping[str, np.ndarray]],
        seed: int,
    ):
        self._model = model
        self._draw = draw
        # Read when they are first needed: short runs draw nothing.
        self._examples = functools.cache(lambda: source.examples("test", _NUM_EXAMPLES, seed))

    def take(self, root: pathlib.Path) -> None:
        """Writes the pictures and `components.json`.

        Raises:
            OSError: they cannot be written.
        """
        (root / SNAPSHOTS).mkdir(exist_ok=True)
        note = f"step {int(self._model.step.numpy())}"
        for name, image in self._draw().items():
            _save(image, root / SNAPSHOTS / f"{name}.png", note)
        component_use.write(root, self._component_use())

    def _component_use(self) -> dict:
        model, (x, labels) = self._model, self._examples()
        parameters = model.prior.parameters(model.encoder)
        mean = model.encoder(x, training=False)[0].numpy()

        def responsibilities(z: np.ndarray) -> np.ndarray:
            return mixture.responsibilities(z, *parameters, jit_compile=False).numpy()

        log_weights = _log_softmax(parameters[2].numpy())
        shares = component_use.class_shares(responsibilities, mean, labels, len(log_weights))
        return component_use.component_use(log_weights, shares)


def replace(signatures: Mapping, source: Source, root: pathlib.Path, seed: int) -> None:
    """Writes `components.json` of a trained model, and removes the pictures of it in training.

    Args:
        signatures: signatures of the export (`tf_sintrovae.serving.export`), by name.
        source: data set of the run.
        root: folder of the run, where better pictures lie by now.
        seed: seed of the choice of examples.

    Raises:
        OSError: the file cannot be written.
    """
    x, labels = source.examples("test", _NUM_EXAMPLES, seed)
    log_weights = signatures["prior"]()["log_weights"].numpy()
    mean = signatures["encode"](x=tf.constant(x))["mean"].numpy()

    def responsibilities(z: np.ndarray) -> np.ndarray:
        return signatures["responsibilities"](z=tf.constant(z))["responsibilities"].numpy()

    shares = component_use.class_shares(responsibilities, mean, labels, len(log_weights))
    component_use.write(root, component_use.component_use(log_weights, shares))
    shutil.rmtree(root / SNAPSHOTS, ignore_errors=True)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    values = logits.astype(np.float64)
    return values - np.logaddexp.reduce(values)


def _save(image: np.ndarray, path: pathlib.Path, note: str) -> None:
    """Writes a PNG file [H, W, 3] with a note, in one step."""
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Comment", note)
    picture = PIL.Image.fromarray(image)
    write_atomically(path, lambda file: picture.save(file, "PNG", pnginfo=info))
