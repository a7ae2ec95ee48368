"""`model_info.json`, which an export carries: read without trusting it, and without TensorFlow."""

import json
import pathlib
from typing import Any

from tf_sintrovae.errors import UserError
from tf_sintrovae.serving.saved_model import INFO_FILE


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads what travels along with this project's exports; empty for those of others.

    Args:
        path: path of the export's folder.

    Raises:
        UserError: the file is damaged.
    """
    file = path / INFO_FILE
    if not file.is_file():
        return {}
    try:
        info = json.loads(file.read_text())
        if not _is_sound(info):
            raise ValueError("not what an export writes")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{file} is damaged ({error}): export the run again with main, or remove the file to go "
            "by the flags alone"
        ) from error
    return info


def _is_sound(info: Any) -> bool:
    """Whether what is taken from a `model_info.json` is of the right kind."""
    if not isinstance(info, dict) or not isinstance(info.get("settings", {}), dict):
        return False
    numbers = [info.get("step"), info.get("epoch")]
    settings = info.get("settings", {})
    numbers += [settings.get(name) for name in ("batch_size", "image_size", "seed")]
    texts = [settings.get(name) for name in ("dataset", "data_dir")]
    are_numbers = all(v is None or (type(v) is int and v >= 0) for v in numbers)
    return (
        are_numbers
        and all(v is None or isinstance(v, str) for v in texts)
        and settings.get("batch_size") != 0
    )
