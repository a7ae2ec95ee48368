"""The SavedModel: what other programs load, with TensorFlow alone."""

import json
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_sintrovae import files
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.serving import saved_model
from tf_sintrovae.serving.servable import Servable as Servable
from tf_sintrovae.versions import versions

INFO_FILE = saved_model.INFO_FILE


def export(
    model: SoftIntroVAE,
    path: str | os.PathLike[str],
    *,
    clip_images: tuple[float, float] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Servable:
    """Writes the SavedModel; a previous one is replaced only when the new one is complete.

    Args:
        model: trained model.
        path: path of the folder to write.
        clip_images: limits of decoded values, `(0, 1)` for images, or None.
        info: further entries of `model_info.json` (settings, data set).

    Returns:
        The functions that were saved.

    Raises:
        UserError: the disk is full; a previous export is still there.
    """
    path = pathlib.Path(path)
    temporary = files.temporary_path(path)
    servable = Servable(model, clip_images)
    files.recover_folder(path)
    try:
        with files.full_disk_errors(path):
            _save(servable, temporary)
            _write_info(temporary, model_info(model) | dict(info or {}))
            files.replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # of a failed export
    return servable


def _save(servable: Servable, path: pathlib.Path) -> None:
    # Gradients through an export are TensorFlow's own, of the functions' operations.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(
        servable, str(path), signatures=_concrete(servable.signatures), options=options
    )


def _write_info(path: pathlib.Path, info: Mapping[str, Any]) -> None:
    """Writes `model_info.json`, with the hashes by which damage to the other files is seen."""
    text = json.dumps(dict(info) | {"sha256": saved_model.hashes(path)}, indent=2)
    files.write_atomically(path / saved_model.INFO_FILE, text + "\n")


def model_info(model: SoftIntroVAE) -> dict[str, Any]:
    """Collects what a user of the export may want to know: shapes, prior, step, versions."""
    return {
        "shape": list(model.example_shape),
        "latent_dim": model.latent_dim,
        "num_components": model.prior.num_components,
        "num_mc_samples": model.num_mc_samples,
        "prior": type(model.prior).__name__,
        "step": int(model.step.numpy()),
        "versions": versions(),
    }


def size_bytes(path: str | os.PathLike[str]) -> int:
    """Counts the bytes of all files of an export."""
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


def _concrete(signatures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: function.get_concrete_function() for name, function in signatures.items()}
