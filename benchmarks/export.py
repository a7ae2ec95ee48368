"""Latency of the exported model's signatures for batches of 1 to 20, in a random order after a warm-up.

    python -m benchmarks.export [--settings=digits,fmnist] [--output=export.json]

Nothing compiles for a new batch size: what the largest batch takes beyond the smallest is its work. "worst
/ median" is the largest ratio of the first call of a size to the median of later calls of that size. Each
oneDNN setting runs in a process of its own.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks import harness

SETTINGS = {
    # name: (shape, L, K, widths)
    "digits": ((8, 8, 1), 8, 10, (32, 64)),
    "fmnist": ((28, 28, 1), 32, 100, (64, 128)),
}
SIGNATURES = ("encode", "decode", "sample", "responsibilities", "score")
BATCHES = range(1, 21)


def main() -> None:
    """Runs one process for each oneDNN setting, prints tables and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--settings", default=",".join(SETTINGS), help="which of the settings")
    options = parser.parse_args()
    if options.child:
        names = options.settings.split(",")
        rows = [row for name in names for row in measure(name)]
        harness.write_json(options.child, rows)
        return
    results = harness.compare_onednn("benchmarks.export", f"--settings={options.settings}")
    if options.output:
        harness.write_json(options.output, results)


def measure(setting: str, repeats: int = 5) -> list[dict]:
    """A row for each signature: milliseconds of the first call of a size, and against later ones."""
    import tensorflow as tf

    from tf_sintrovae import networks, priors
    from tf_sintrovae.model import SoftIntroVAE
    from tf_sintrovae.serving import export

    shape, latent_dim, num_components, widths = SETTINGS[setting]
    encoder, decoder = networks.build_networks(shape, latent_dim, widths)
    model = SoftIntroVAE(encoder, decoder, priors.MixturePrior(num_components, latent_dim))
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(
            servable := export.Servable(model, (0.0, 1.0)), folder, signatures=servable.signatures
        )
        signatures = tf.saved_model.load(folder).signatures
    return [
        {"setting": setting, "signature": name}
        | _latency(_call(signatures[name], name, shape, latent_dim), repeats)
        for name in SIGNATURES
    ]


def _latency(call: Callable[[int], Any], repeats: int) -> dict:
    sizes = list(BATCHES)
    random.Random(0).shuffle(sizes)
    call(sizes[-1])  # the warm-up, of a size that comes last
    first = {size: _seconds(call, size) for size in sizes}
    later = {
        size: statistics.median(_seconds(call, size) for _ in range(repeats)) for size in sizes
    }
    return {
        "first call, worst ms": 1e3 * max(first.values()),
        "later, 1 ms": 1e3 * later[BATCHES[0]],
        "later, 20 ms": 1e3 * later[BATCHES[-1]],
        "worst / median": max(first[size] / later[size] for size in sizes),
    }


def _seconds(call: Callable[[int], Any], size: int) -> float:
    start = time.perf_counter()
    call(size)
    return time.perf_counter() - start


def _call(
    signature: Callable, name: str, shape: tuple[int, ...], latent_dim: int
) -> Callable[[int], None]:
    """A function of a batch size that runs a signature and waits for what it gives."""
    import tensorflow as tf

    seed = tf.constant([0, 1])
    arguments = {
        "encode": lambda size: {"x": tf.zeros((size, *shape))},
        "decode": lambda size: {"z": tf.zeros((size, latent_dim))},
        "sample": lambda size: {"num_samples": tf.constant(size), "seed": seed},
        "responsibilities": lambda size: {"z": tf.zeros((size, latent_dim))},
        "score": lambda size: {"x": tf.zeros((size, *shape)), "seed": seed},
    }[name]
    return lambda size: harness.wait(signature(**arguments(size)).values())


if __name__ == "__main__":
    main()
