"""The training step in PyTorch, written plainly after the paper, for comparison.

The same networks, losses, players and optimizers as the project's (`tf_sintrovae.networks`, `player_losses`),
with a free mixture as prior, `gamma_r` = 0 and without variance clipping. Images are [B, C, H, W].
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.hlo import mixtures_torch
from benchmarks.hlo.torch_networks import Decoder, Encoder

PLAYERS = ("encoder", "decoder", "prior")


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights of the losses, as in the paper."""

    beta_rec: float
    beta_kl: float
    beta_neg: float
    responsibility_reg: float
    alpha: float = 2.0
    gamma: float = 1.0


class Mixture(nn.Module):
    """A mixture of K diagonal Gaussians in L dimensions."""

    def __init__(self, num_components: int, latent_dim: int):
        super().__init__()
        self.loc = nn.Parameter(torch.randn(num_components, latent_dim))
        self.logvar = nn.Parameter(torch.zeros(num_components, latent_dim))
        self.logits = nn.Parameter(torch.zeros(num_components))

    def sample(self, count: int) -> torch.Tensor:
        """Samples [count, L], differentiable in loc and logvar."""
        weights = self.logits.detach().softmax(0)
        component = torch.multinomial(weights, count, replacement=True)
        return _reparameterize(self.loc[component], self.logvar[component])

    def values(self) -> tuple[torch.Tensor, ...]:
        """loc, logvar and logits."""
        return self.loc, self.logvar, self.logits


class Trainer:
    """The three players and their optimizers.

    Args:
        shape: shape `(H, W, C)` of an image.
        latent_dim: number of latent dimensions, L.
        widths: channels of each resolution.
        num_components: number of components, K.
        weights: weights of the losses.
        device: device of all tensors.
        rate: Adam's rate.
        num_mc_samples: Monte Carlo samples of each KL, M.
        compiled: whether the losses are compiled.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        widths: Sequence[int],
        num_components: int,
        weights: Weights,
        device: torch.device,
        rate: float = 2e-4,
        num_mc_samples: int = 100,
        compiled: bool = False,
    ):
        self.encoder = Encoder(shape, latent_dim, widths).to(device)
        self.decoder = Decoder(shape, latent_dim, widths).to(device)
        self.prior = Mixture(num_components, latent_dim).to(device)
        self._weights, self._scale = weights, 1 / math.prod(shape)
        self._num_mc_samples = num_mc_samples
        self._optimizers = {
            name: torch.optim.Adam(getattr(self, name).parameters(), rate) for name in PLAYERS
        }
        losses: dict[str, Callable[..., Any]] = {
            "vae": self._vae_loss,
            "encoder": self._encoder_loss,
            "decoder": self._decoder_loss,
        }
        self._losses = {
            name: torch.compile(loss) if compiled else loss for name, loss in losses.items()
        }

    def vae_step(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Stage 1: all players on one loss."""
        self._train_only(*PLAYERS)
        loss = self._losses["vae"](x)
        self._step(loss, *PLAYERS)
        return {"loss": loss.detach()}

    def introspective_step(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Stage 2: the encoder, then decoder and prior."""
        self._train_only("encoder")
        encoder_loss, posterior = self._losses["encoder"](x)
        self._step(encoder_loss, "encoder")
        self._train_only("decoder", "prior")
        decoder_loss = self._losses["decoder"](x, *(value.detach() for value in posterior))
        self._step(decoder_loss, "decoder", "prior")
        return {"encoder_loss": encoder_loss.detach(), "decoder_loss": decoder_loss.detach()}

    def _train_only(self, *players: str) -> None:
        """Freezes the other players."""
        for player in PLAYERS:
            getattr(self, player).requires_grad_(player in players)

    def _step(self, loss: torch.Tensor, *players: str) -> None:
        for player in players:
            self._optimizers[player].zero_grad()
        loss.backward()
        for player in players:
            self._optimizers[player].step()

    def _vae_loss(self, x: torch.Tensor) -> torch.Tensor:
        mean, logvar = self.encoder(x)
        rec = _error(x, self.decoder(_reparameterize(mean, logvar)))
        kl, _ = self._kl(mean, logvar)
        return self._weights.beta_rec * rec.mean() + self._weights.beta_kl * kl.mean()

    def _encoder_loss(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        weights = self._weights
        mean, logvar = self.encoder(x)
        z = _reparameterize(mean, logvar)
        x_rec = self.decoder(z)
        with torch.no_grad():
            x_fake = self.decoder(self.prior.sample(len(x)))
        kl, z_samples = self._kl(mean, logvar)
        loss = weights.beta_rec * _error(x, x_rec).mean() + weights.beta_kl * kl.mean()
        loss = loss + weights.responsibility_reg * self._negative_entropy(z_samples)
        terms = self._exp_elbo(x_rec) + self._exp_elbo(x_fake)
        loss = self._scale * loss + terms / (2 * weights.alpha)
        return loss, (mean, logvar, z)

    def _exp_elbo(self, generated: torch.Tensor) -> torch.Tensor:
        """The soft threshold on a generated batch, which is detached as the encoder's input alone."""
        weights = self._weights
        mean, logvar = self.encoder(generated.detach())
        rec = _error(generated, self.decoder(_reparameterize(mean, logvar)))
        kl, _ = self._kl(mean, logvar)
        energy = self._scale * (weights.beta_rec * rec + weights.beta_neg * kl)
        return torch.exp(-weights.alpha * energy).mean()

    def _decoder_loss(
        self, x: torch.Tensor, mean: torch.Tensor, logvar: torch.Tensor, z: torch.Tensor
    ) -> torch.Tensor:
        weights = self._weights
        generated = self.decoder(self.prior.sample(len(x))), self.decoder(z)
        kl, _ = self._kl(mean, logvar)
        loss = weights.beta_rec * _error(x, generated[1]).mean() + weights.beta_kl * kl.mean()
        for images in generated:
            mean, logvar = self.encoder(images)
            kl, _ = self._kl(mean, logvar, frozen=True)
            loss = loss + weights.gamma * weights.beta_kl * kl.mean() / 2
        return self._scale * loss

    def _kl(
        self, mean: torch.Tensor, logvar: torch.Tensor, frozen: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Monte Carlo KLs [B] from the prior, which may be frozen, and the samples [M * B, L]."""
        eps = torch.randn(self._num_mc_samples, *mean.shape, device=mean.device)
        z = (mean + torch.exp(0.5 * logvar) * eps).flatten(0, 1)
        log_q = -0.5 * (eps.square().mean(0) + logvar + math.log(2 * math.pi)).sum(1)
        parameters = [value.detach() if frozen else value for value in self.prior.values()]
        log_p = mixtures_torch.log_prob(z, *parameters)
        return log_q - log_p.view(self._num_mc_samples, -1).mean(0), z

    def _negative_entropy(self, z: torch.Tensor) -> torch.Tensor:
        """Minus the entropy of the mean responsibilities of samples z, over log K where that is above 1."""
        means = mixtures_torch.log_joint(z, *self.prior.values()).softmax(1).mean(0)  # [K]
        return (means * torch.log(means + 1e-8)).sum() / max(math.log(len(means)), 1.0)


def _reparameterize(mean: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    return mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)


def _error(x: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
    """Squared error of each image: [B]."""
    return (x - reconstruction).square().flatten(1).sum(1)
