"""What a training step costs by count, and what that is at least, and likely, on known cards.

    python -m benchmarks.hlo.cost [--precision=tf32]

Floating-point operations are those of convolutions and dense layers, forward and backward, as XLA counts
them: taps that fall on the padding are none. Bytes are a model: how often an element of a layer's output is
read or written (`TRAFFIC`). A step takes at least the time of the operations at the card's peak plus that of
the bytes at its bandwidth; likely it takes that at the shares of them that good libraries reach
(`LIKELY_SHARES`, an assumption).
"""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from benchmarks import harness
from benchmarks.hlo.cards import CARDS, Card

SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {"shape": (8, 8, 1), "widths": (32, 64), "latent_dim": 16, "batch_size": 128},
    "fmnist": {"shape": (28, 28, 1), "widths": (64, 128), "latent_dim": 32, "batch_size": 128},
    "cifar10": {
        "shape": (32, 32, 3),
        "widths": (64, 128, 256),
        "latent_dim": 128,
        "batch_size": 32,
    },
}
STAGES = ("vae", "introspective")
NUM_COMPONENTS, NUM_MC_SAMPLES = 10, 100
FLOAT = 4  # bytes

# Reads and writes of each element of a layer's output. Forward: the convolution writes it, batch norm reads
# it twice and writes it, the next layer reads it. Gradient at the inputs: batch norm reads the gradient and
# its input twice and writes, the convolution reads and writes. Gradient at the weights: both are read.
TRAFFIC = {"forward": 5, "inputs": 7, "weights": 2}
# Parts of a card's peak and of its bandwidth that a step likely reaches.
LIKELY_SHARES = (0.5, 0.8)
# Operations for each sample, component and dimension of a mixture's density and all its gradients. At least:
# three products of N x 2L x K, or as many in differences and squares. In kernels for GPUs: docs/kernels.md.
LEAST_MIXTURE_FLOPS, MIXTURE_FLOPS = 12, 163


class Layer(NamedTuple):
    """A convolution or dense layer.

    Attributes:
        flops: operations of a forward pass over one example.
        outputs: numbers that it gives for one example.
        weights: number of weights.
    """

    flops: int
    outputs: int
    weights: int


class Passes(NamedTuple):
    """How many batches a step sends through a network.

    Attributes:
        forward: forward passes.
        inputs: passes whose gradient at the network's input is needed.
        weights: passes whose gradient at the weights is needed.
    """

    forward: float
    inputs: float
    weights: float


class Cost(NamedTuple):
    """The cost of a step.

    Attributes:
        flops: operations of layers.
        mixture_flops: operations of the prior's density and its gradients.
        bytes: bytes read and written.
        memory: bytes that are held at once, at least: variables, moments, noise and what gradients need.
    """

    flops: float
    mixture_flops: float
    bytes: float
    memory: float


def main() -> None:
    """Prints the costs of the settings and the times of the cards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    precisions = ("float32", "tf32", "bfloat16")
    parser.add_argument("--precision", default="tf32", choices=precisions, help="of the networks")
    options = parser.parse_args()
    print(harness.table(costs()))
    print(f"\nmilliseconds a step, networks in {options.precision}: at least, and likely")
    print(harness.table([times(card, options.precision) for card in CARDS]))


def costs() -> list[dict[str, Any]]:
    """A row for each setting and stage."""
    rows = []
    for setting, stage in _cases():
        cost = step_cost(stage, **SETTINGS[setting])
        rows.append(
            {
                "setting": setting,
                "stage": stage,
                "GFLOP": cost.flops / 1e9,
                "mixture GFLOP": cost.mixture_flops / 1e9,
                "GB moved": cost.bytes / 1e9,
                "MiB held": cost.memory / 2**20,
            }
        )
    return rows


def times(card: Card, precision: str) -> dict[str, Any]:
    """Milliseconds of the steps on a card."""
    row: dict[str, Any] = {"card": card.name}
    for setting, stage in _cases():
        cost = step_cost(stage, **SETTINGS[setting])
        least = step_seconds(cost, card, precision, (1.0, 1.0))
        likely = step_seconds(cost, card, precision, LIKELY_SHARES)
        row[f"{setting} {stage}"] = f"{_milliseconds(least)}, {_milliseconds(likely)}"
    return row


def step_seconds(cost: Cost, card: Card, precision: str, shares: tuple[float, float]) -> float:
    """Seconds of a step at shares of a card's peak and bandwidth; the mixture is always float32."""
    share, bandwidth_share = shares
    compute = cost.flops / getattr(card, precision) + cost.mixture_flops / card.float32
    return compute / share / 1e12 + cost.bytes / (bandwidth_share * card.bandwidth * 1e9)


def step_cost(
    stage: str,
    shape: Sequence[int],
    widths: Sequence[int],
    latent_dim: int,
    batch_size: int,
    num_components: int = NUM_COMPONENTS,
    num_mc_samples: int = NUM_MC_SAMPLES,
) -> Cost:
    """The cost of a step with a mixture as prior, `gamma_r` = 0.

    Args:
        stage: 'vae' or 'introspective'.
        shape: shape `(H, W, C)` of an image.
        widths: channels of each resolution.
        latent_dim: number of latent dimensions, L.
        batch_size: number of images, B.
        num_components: number of components, K.
        num_mc_samples: Monte Carlo samples of each KL, M.
    """
    networks = encoder_layers(shape, latent_dim, widths), decoder_layers(shape, latent_dim, widths)
    flops = moved = held = 0.0
    for layers, passes in zip(networks, _passes(stage), strict=True):
        size = batch_size * sum(layer.outputs for layer in layers)
        flops += batch_size * sum(passes) * sum(layer.flops for layer in layers)
        moved += FLOAT * size * sum(n * TRAFFIC[kind] for kind, n in passes._asdict().items())
        held += FLOAT * size * max(passes.inputs, passes.weights) / (1 if stage == "vae" else 2)
    weights = sum(layer.weights for layers in networks for layer in layers)
    samples = batch_size * num_mc_samples * (1 if stage == "vae" else 6)
    mixture = MIXTURE_FLOPS * samples * num_components * latent_dim
    noise = FLOAT * samples * latent_dim
    return Cost(flops, mixture, moved + 4 * noise, held + noise + 4 * FLOAT * weights)


def encoder_layers(shape: Sequence[int], latent_dim: int, widths: Sequence[int]) -> list[Layer]:
    """Layers of the encoder of images, as `tf_sintrovae.networks.conv_encoder` builds it."""
    height, width, channels = shape
    layers = [conv(height, width, 5, channels, widths[0])]
    channels = widths[0]
    for target in [*widths[1:], widths[-1]]:
        height, width = height // 2, width // 2
        layers += block(height, width, channels, target)
        channels = target
    return [*layers, dense(height * width * channels, 2 * latent_dim)]


def decoder_layers(shape: Sequence[int], latent_dim: int, widths: Sequence[int]) -> list[Layer]:
    """Layers of the decoder of images, as `tf_sintrovae.networks.conv_decoder` builds it."""
    shrink = 2 ** len(widths)
    height, width, channels = shape[0] // shrink, shape[1] // shrink, widths[-1]
    layers = [dense(latent_dim, height * width * channels)]
    for target in reversed(widths):
        layers += block(height, width, channels, target)
        height, width, channels = 2 * height, 2 * width, target
    layers += block(height, width, channels, widths[0])
    return [*layers, conv(height, width, 5, widths[0], shape[2])]


def block(height: int, width: int, channels: int, target: int) -> Iterable[Layer]:
    """Convolutions of a residual block."""
    expand = [conv(height, width, 1, channels, target)] if channels != target else []
    return [
        *expand,
        conv(height, width, 3, channels, target),
        conv(height, width, 3, target, target),
    ]


def conv(height: int, width: int, size: int, channels: int, target: int) -> Layer:
    """A convolution that keeps height and width."""
    taps = _taps(height, size) * _taps(width, size)
    return Layer(
        2 * taps * channels * target, height * width * target, size * size * channels * target
    )


def dense(inputs: int, outputs: int) -> Layer:
    """A dense layer."""
    return Layer(2 * inputs * outputs, outputs, inputs * outputs)


def mixture_flops(K: int, L: int, N: int) -> float:
    """Operations that the density of N samples and all its gradients take at least."""
    return float(LEAST_MIXTURE_FLOPS * K * L * N)


def _milliseconds(seconds: float) -> str:
    """Milliseconds with two digits that matter."""
    value = 1e3 * seconds
    digits = 2 if value < 1 else 1 if value < 10 else 0
    return f"{value:.{digits}f}"


def _taps(length: int, size: int) -> int:
    """Pairs of an output and an input under the kernel, along one dimension, without padding."""
    reach = size // 2
    return sum(min(length, i + reach + 1) - max(0, i - reach) for i in range(length))


def _passes(stage: str) -> tuple[Passes, Passes]:
    """Passes of the encoder and of the decoder."""
    if stage == "vae":
        return Passes(1, 0, 1), Passes(1, 1, 1)
    # The encoder's player sends the data, reconstructions and fakes through the encoder, four batches through
    # the frozen decoder, of which fakes need no gradient; the decoder's player two through each.
    return Passes(5, 2 + 3, 3), Passes(6, 3 + 2, 2)


def _cases() -> Iterable[tuple[str, str]]:
    return [(setting, stage) for setting in SETTINGS for stage in STAGES]


if __name__ == "__main__":
    main()
