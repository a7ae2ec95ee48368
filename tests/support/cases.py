"""A registry of small models over which every cross-cutting test iterates."""

import dataclasses
from collections.abc import Callable

import numpy as np

from tf_sintrovae import networks
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.objective import Objective
from tf_sintrovae.priors import (
    MixturePrior,
    Prior,
    StandardNormalPrior,
    VampPrior,
    WarmStartedMixturePrior,
)

LATENT_DIM = 3
NUM_COMPONENTS = 4
BATCH_SIZE = 8


def data(shape, count=BATCH_SIZE, seed=0) -> np.ndarray:
    """Uniform examples [count, *shape] float32 in [0, 1]."""
    return np.random.default_rng(seed).uniform(size=(count, *shape)).astype(np.float32)


def _vamp(shape) -> VampPrior:
    return VampPrior(data(shape, NUM_COMPONENTS, seed=1), LATENT_DIM, clip=(0.0, 1.0))


def _mixture(_) -> MixturePrior:
    return MixturePrior(NUM_COMPONENTS, LATENT_DIM)


def _warm_started(shape) -> WarmStartedMixturePrior:
    return WarmStartedMixturePrior(_vamp(shape), _mixture(shape))


PRIORS: dict[str, Callable[..., Prior]] = {
    "standard_normal": lambda _: StandardNormalPrior(LATENT_DIM),
    "vamp": _vamp,
    "mixture": _mixture,
    "warm_started": _warm_started,
}
SHAPES = {"points": (2,), "images": (8, 8, 1), "small_images": (4, 4, 1)}
WIDTHS = {"points": (8, 8), "images": (4, 6), "small_images": (3,)}

_SETTINGS = {
    "num_mc_samples": 5,
    "beta_rec": 1.0,
    "beta_kl": 1.0,
    "beta_neg": 1.0,
    "responsibility_reg": 10.0,
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One kind of network with one kind of prior."""

    networks: str
    prior: str

    @property
    def shape(self):
        return SHAPES[self.networks]

    def model(self, synchronized=False, **settings) -> SoftIntroVAE:
        """The model, uncompiled; `settings` are loss weights and arguments of SoftIntroVAE."""
        encoder, decoder = networks.build_networks(
            self.shape, LATENT_DIM, WIDTHS[self.networks], synchronized=synchronized
        )
        settings = _SETTINGS | settings
        loss_weights = {name: settings.pop(name) for name in Objective._fields if name in settings}
        return SoftIntroVAE(
            encoder,
            decoder,
            PRIORS[self.prior](self.shape),
            objective=Objective(**loss_weights),
            **settings,
        )

    def __str__(self):
        return f"{self.networks}-{self.prior}"


CASES = [Case(network, prior) for network in ("points", "images") for prior in PRIORS]
# Where compiling the image networks would cost more than it shows: one case with them.
QUICK_CASES = [case for case in CASES if case.networks == "points" or case.prior == "mixture"]
