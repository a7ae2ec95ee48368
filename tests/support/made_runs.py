"""Folders of runs that nobody trained, for reports."""

import dataclasses
import json
import pathlib

import numpy as np
import PIL.Image

from tf_sintrovae.config import Config

VAE = ("loss", "rec", "kl")
INTROSPECTIVE = (
    *("encoder_loss", "decoder_loss", "rec", "kl", "kl_rec", "kl_fake"),
    *("exp_elbo_rec", "exp_elbo_fake", "assignment_entropy"),
)
SETTINGS = Config(epochs=6, vae_epochs=3, mixture_warmup_epochs=1, seed=7)


def rows(epochs: int, settings: Config = SETTINGS, value: float = 0.5) -> list[dict]:
    """Rows of a history: every metric is `value` plus the epoch's number over 1,000."""
    made = []
    for epoch in range(1, epochs + 1):
        stage = "vae" if epoch <= settings.vae_epochs else "introspective"
        names = VAE if stage == "vae" else INTROSPECTIVE
        row = {"epoch": epoch, "step": 11 * epoch, "stage": stage}
        made.append(row | dict.fromkeys(names, value + epoch / 1000))
    return made


def append(path: pathlib.Path, *lines: dict) -> None:
    """Adds rows or events to a history."""
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def picture(path: pathlib.Path, colour=(200, 30, 40), size=(60, 60)) -> None:
    """Writes a PNG file of one colour."""
    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8)).save(path)


def make_run(
    folder: pathlib.Path, epochs: int = 6, settings: Config = SETTINGS, **files
) -> pathlib.Path:
    """Makes the folder of a run.

    Args:
        folder: folder to make.
        epochs: epochs that are complete.
        settings: settings of the run.
        files: content of `NAME.json` by NAME.
    """
    folder.mkdir(parents=True)
    settings = dataclasses.replace(settings, workdir=str(folder))
    (folder / "config.json").write_text(settings.to_json())
    append(folder / "history.jsonl", *rows(epochs, settings))
    data = {"data": {"count": 1437, "shape": [8, 8, 1], "content": "0"}}
    for name, content in (data | files).items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder
