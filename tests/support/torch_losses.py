"""Losses and gradient norms of the PyTorch step, of weights and noise in a file.

    python -m tests.support.torch_losses INPUT.npz OUTPUT.json

Needs PyTorch; tests/hlo/test_torch_step.py compares.
"""

import json
import sys

import numpy as np
import torch

from benchmarks.hlo.torch_networks import Block, Decoder, Encoder
from benchmarks.hlo.torch_step import Trainer, Weights


def main() -> None:
    """Reads the input and writes the output."""
    given = dict(np.load(sys.argv[1]))
    setting = json.loads(str(given.pop("setting")))
    trainer = Trainer(
        *(setting["shape"], setting["latent_dim"], setting["widths"], setting["num_components"]),
        Weights(**setting["weights"]),
        torch.device("cpu"),
        num_mc_samples=setting["num_mc_samples"],
    )
    load_encoder(trainer.encoder, given)
    load_decoder(trainer.decoder, given, setting["bottom"])
    for name in ("loc", "logvar", "logits"):
        getattr(trainer.prior, name).data = torch.tensor(given[f"prior/{name}"])
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(compute(trainer, given), file)


def compute(trainer: Trainer, given: dict[str, np.ndarray]) -> dict[str, float]:
    """The losses of both stages, and the norm of each player's gradient of its loss."""
    x = torch.tensor(given["x"].transpose(0, 3, 1, 2).copy())
    results: dict[str, float] = {}

    def take(name, loss, players):
        trainer._step(loss, *players)  # at a rate of zero
        results[name] = float(loss)
        for player in players:
            gradients = [p.grad for p in getattr(trainer, player).parameters()]
            norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))
            results[f"{name}/{player}"] = float(norm)

    for optimizer in trainer._optimizers.values():
        optimizer.param_groups[0]["lr"] = 0.0
    players = ("encoder", "decoder", "prior")
    trainer._train_only(*players)
    replace_noise(given, "vae", ["z", "kl"])
    take("loss", trainer._vae_loss(x), players)
    trainer._train_only("encoder")
    parts = ["z_rec", "kl_rec", "z_fake", "kl_fake"]
    replace_noise(given, "encoder", ["z_real", "prior", "kl_real", *parts])
    loss, posterior = trainer._encoder_loss(x)
    take("encoder_loss", loss, ["encoder"])
    trainer._train_only("decoder", "prior")
    replace_noise(given, "decoder", ["prior", "kl_real", "kl_fake", "kl_rec"])
    posterior = [value.detach() for value in posterior]
    take("decoder_loss", trainer._decoder_loss(x, *posterior), ["decoder", "prior"])
    return results


def replace_noise(given: dict[str, np.ndarray], player: str, order: list[str]) -> None:
    """Lets PyTorch's draws give a player's noise, in the order in which the step draws it."""
    draws = iter([torch.tensor(given[f"noise/{player}/{name}"]) for name in order])

    def draw(*_, **__):
        return next(draws)

    torch.randn = torch.randn_like = draw
    torch.multinomial = lambda *_, **__: torch.tensor(given[f"noise/{player}/component"])


def load_encoder(encoder: Encoder, given: dict[str, np.ndarray]) -> None:
    """Puts Keras's weights into the encoder."""
    modules = [m for m in encoder.layers if any(True for _ in m.parameters())]
    blocks = [m for m in modules if isinstance(m, Block)]
    names = [f"block_{i}" for i in range(1, len(blocks))] + ["block_out"]
    _load_conv(modules[0], given, "encoder/in")
    _load_norm(modules[1], given, "encoder/in_norm")
    for name, block in zip(names, blocks, strict=True):
        _load_block(block, given, f"encoder/{name}")
    kernel = given["encoder/posterior/kernel"]  # [H * W * C, 2 L]
    channels = blocks[-1].conv2.out_channels
    pixels = kernel.reshape(-1, channels, kernel.shape[1]).transpose(1, 0, 2)
    modules[-1].weight.data = torch.tensor(pixels.reshape(kernel.shape).T.copy())
    modules[-1].bias.data = torch.tensor(given["encoder/posterior/bias"])


def load_decoder(decoder: Decoder, given: dict[str, np.ndarray], bottom: list[int]) -> None:
    """Puts Keras's weights into the decoder, whose first features are [H, W, C] = `bottom`."""
    modules = [m for m in decoder.layers if any(True for _ in m.parameters())]
    kernel, bias = given["decoder/in/kernel"], given["decoder/in/bias"]
    order = np.arange(len(bias)).reshape(bottom).transpose(2, 0, 1).ravel()
    modules[0].weight.data = torch.tensor(kernel.T[order].copy())
    modules[0].bias.data = torch.tensor(bias[order])
    blocks = [m for m in modules if isinstance(m, Block)]
    names = [f"block_{i}" for i in range(len(blocks) - 1)] + ["block_out"]
    for name, block in zip(names, blocks, strict=True):
        _load_block(block, given, f"decoder/{name}")
    _load_conv(modules[-1], given, "decoder/out")
    modules[-1].bias.data = torch.tensor(given["decoder/out/bias"])


def _load_block(block: Block, given: dict[str, np.ndarray], name: str) -> None:
    for part in ("conv1", "conv2"):
        _load_conv(getattr(block, part), given, f"{name}_{part}")
    for part in ("norm1", "norm2"):
        _load_norm(getattr(block, part), given, f"{name}_{part}")
    if f"{name}_expand/kernel" in given:
        _load_conv(block.expand, given, f"{name}_expand")


def _load_conv(module: torch.nn.Module, given: dict[str, np.ndarray], name: str) -> None:
    module.weight.data = torch.tensor(given[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())


def _load_norm(module: torch.nn.Module, given: dict[str, np.ndarray], name: str) -> None:
    module.weight.data = torch.tensor(given[f"{name}/gamma"])
    module.bias.data = torch.tensor(given[f"{name}/beta"])


if __name__ == "__main__":
    main()
