"""Loading of exports, which may be damaged or none at all."""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from tf_sintrovae import files
from tf_sintrovae.errors import UserError

INFO_FILE = "model_info.json"
# Inputs and outputs by signature (docs/evaluation.md); a model may have more.
_SIGNATURES: dict[str, tuple[set[str], set[str]]] = {
    "encode": ({"x"}, {"mean", "logvar"}),
    "decode": ({"z"}, {"x"}),
    "sample": ({"num_samples", "seed"}, {"x", "z", "component"}),
    "responsibilities": ({"z"}, {"responsibilities", "log_prob"}),
    "score": ({"x", "seed"}, {"elbo", "kl", "reconstruction_error"}),
    "prior": (set(), {"loc", "logvar", "log_weights"}),
}


def locate(name: str | os.PathLike[str]) -> pathlib.Path:
    """Finds the folder of a SavedModel.

    Args:
        name: path of the folder, as the user gave it.

    Raises:
        UserError: no SavedModel is there.
    """
    path = files.user_path(name)
    old = files.find_interrupted(path)
    if old is not None:
        raise UserError(
            f"saved_model={name}: its export was interrupted, the one before lies in {old}: start the run "
            "again, which puts it back, or name that folder"
        )
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            f"saved_model={name}: no SavedModel there (no saved_model.pb); name the folder that main wrote"
        )
    return path


def load(name: str | os.PathLike[str], needed: tuple[str, ...] = tuple(_SIGNATURES)) -> Any:
    """Loads a SavedModel that has the signatures of docs/evaluation.md.

    Files of this project's exports are compared with the hashes in `model_info.json` first: TensorFlow may
    crash on altered ones.

    Args:
        name: path of its folder.
        needed: names of the signatures that it must have.

    Raises:
        UserError: there is no SavedModel, a damaged one, or one with other signatures.
    """
    import tensorflow as tf

    path = locate(name)
    _check_hashes(path)
    try:
        with _without_warnings():
            model = tf.saved_model.load(str(path))
    except Exception as error:  # damaged files make TensorFlow raise anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"saved_model={path} cannot be loaded: {reason}") from error
    _check_signatures(path, model, needed)
    return model


def hashes(path: pathlib.Path) -> dict[str, str]:
    """Computes the SHA-256 of each file of a SavedModel, but for `model_info.json`, by its relative path."""
    found = (file for file in sorted(path.rglob("*")) if file.is_file() and file.name != INFO_FILE)
    return {file.relative_to(path).as_posix(): _sha256(file) for file in found}


def _check_hashes(path: pathlib.Path) -> None:
    for name, expected in _read_hashes(path).items():
        file = path / name
        try:
            found = _sha256(file)
        except (OSError, ValueError) as error:
            raise UserError(f"saved_model={path} is damaged: {name!r}: {error}") from error
        if found != expected:
            raise UserError(
                f"saved_model={path} is damaged: {name} is not the file that was exported (its SHA-256 "
                "differs); restore it from a copy, or export again"
            )


def _read_hashes(path: pathlib.Path) -> dict[str, str]:
    """The hashes that travel with an export; empty for models of others, and where they cannot be read."""
    try:
        recorded = json.loads((path / INFO_FILE).read_bytes())["sha256"]
        return {str(name): value for name, value in recorded.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _check_signatures(path: pathlib.Path, model: Any, needed: tuple[str, ...]) -> None:
    signatures = getattr(model, "signatures", {})
    for name in needed:
        inputs, outputs = _SIGNATURES[name]
        if name not in signatures:
            has = ", ".join(sorted(signatures)) or "none"
            raise UserError(
                f"saved_model={path} has no signature {name!r} (it has {has}): docs/evaluation.md lists what "
                "is needed"
            )
        function = signatures[name]
        takes = set(function.structured_input_signature[1])
        gives = set(function.structured_outputs)
        if takes != inputs or not gives >= outputs:
            raise UserError(
                f"saved_model={path}: signature {name!r} is {_form(takes, gives)}, expected "
                f"{_form(inputs, outputs)}"
            )


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps back what TensorFlow says of custom gradients, of which an export needs none."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _form(inputs: set[str], outputs: set[str]) -> str:
    return f"({', '.join(sorted(inputs))}) -> ({', '.join(sorted(outputs))})"


def _sha256(file: pathlib.Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
