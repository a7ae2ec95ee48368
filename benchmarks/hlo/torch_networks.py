"""The project's networks for images in PyTorch (`tf_sintrovae.networks`). Images are [B, C, H, W]."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

_SLOPE = 0.2


class Block(nn.Module):
    """A residual block of two 3x3 convolutions."""

    def __init__(self, channels: int, target: int):
        super().__init__()
        self.expand = (
            nn.Conv2d(channels, target, 1, bias=False) if channels != target else nn.Identity()
        )
        self.conv1 = nn.Conv2d(channels, target, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(target)
        self.conv2 = nn.Conv2d(target, target, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(target)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, channels, H, W] -> [B, target, H, W]."""
        y = functional.leaky_relu(self.norm1(self.conv1(x)), _SLOPE)
        return functional.leaky_relu(self.norm2(self.conv2(y)) + self.expand(x), _SLOPE)


class Encoder(nn.Module):
    """Images [B, C, H, W] -> means and log-variances [B, L]."""

    def __init__(self, shape: Sequence[int], latent_dim: int, widths: Sequence[int]):
        super().__init__()
        height, width, channels = shape
        layers: list[nn.Module] = [
            nn.Conv2d(channels, widths[0], 5, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.LeakyReLU(_SLOPE),
            nn.AvgPool2d(2),
        ]
        for channels, target in itertools.pairwise(widths):
            layers += [Block(channels, target), nn.AvgPool2d(2)]
        shrink = 2 ** len(widths)
        size = widths[-1] * (height // shrink) * (width // shrink)
        layers += [Block(widths[-1], widths[-1]), nn.Flatten(), nn.Linear(size, 2 * latent_dim)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The posterior of each image."""
        mean, logvar = self.layers(x).chunk(2, dim=1)
        return mean, logvar


class Decoder(nn.Module):
    """Latents [B, L] -> images [B, C, H, W]."""

    def __init__(self, shape: Sequence[int], latent_dim: int, widths: Sequence[int]):
        super().__init__()
        height, width, image_channels = shape
        shrink = 2 ** len(widths)
        bottom = (widths[-1], height // shrink, width // shrink)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, math.prod(bottom)),
            nn.ReLU(),
            nn.Unflatten(1, bottom),
        ]
        channels = widths[-1]
        for target in reversed(widths):
            layers += [Block(channels, target), nn.Upsample(scale_factor=2, mode="nearest")]
            channels = target
        layers += [
            Block(channels, widths[0]),
            nn.Conv2d(widths[0], image_channels, 5, padding=2),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The image of each latent."""
        return self.layers(z)
