"""Speed, memory and accuracy of the mixture kernels.

    python -m benchmarks.kernels [--output=kernels.json]

Each oneDNN setting runs in a process of its own, because TensorFlow reads it once, when it starts. Times are
medians of interleaved rounds after a warm-up, of forward and backward with every gradient. Memory is
measured in a process of its own for each size.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import harness

SIZES = [(100, 32, 12_800), (100, 128, 3_200), (64, 2, 51_200)]  # (K, L, N)
SWEEPS = {
    "K": [(K, 32, 4_096) for K in (12_500, 25_000, 50_000, 100_000)],
    "N": [(100, 32, N) for N in (125_000, 250_000, 500_000, 1_000_000)],
}


def main() -> None:
    """Runs one process for each oneDNN setting, prints tables and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        size = map(int, options.size.split(","))
        harness.write_json(options.child, [PARTS[options.part](*size)])
        return
    results: dict[str, Any] = {"machine": harness.machine(), "settings": []}
    print(results["machine"])
    for onednn in ("0", "1"):
        results["settings"].append({"onednn": onednn, "speed": in_process("speed", onednn, SIZES)})
        print(f"\noneDNN {onednn}: forward + backward; ratios to the kernel, and of the kernel")
        print(harness.table(results["settings"][-1]["speed"]))
    results["growth"] = growth()
    print("\ngrowth: seconds, MiB above the start, and the slope in log-log (1 is linear)")
    print(harness.table(results["growth"]))
    if options.output:
        harness.write_json(options.output, results)


def in_process(part: str, onednn: str, sizes: list[tuple[int, int, int]]) -> list[dict]:
    """Measures each size in a fresh process."""
    return [
        row
        for size in sizes
        for row in harness.in_process(
            "benchmarks.kernels", onednn, f"--part={part}", "--size=" + ",".join(map(str, size))
        )
    ]


def speed(K: int, L: int, N: int, repeats: int = 15) -> dict:
    """The kernel against TFP as graph and under XLA, and against the matrix products alone."""
    import tensorflow as tf

    tensors = problem(K, L, N)
    # Where the gradient at the weights vanishes, so that all are made again in float64.
    balanced = [tensors[0], *(0 * tensor for tensor in tensors[1:])]
    far = [tensors[0] * 6, tensors[1] * 6, *tensors[2:]]  # beyond what float32 products may meet
    kernel = tf.function(value_and_gradients(kernel_log_prob()))
    tfp_graph = tf.function(value_and_gradients(tfp_log_prob))
    tfp_xla = tf.function(value_and_gradients(tfp_log_prob), jit_compile=True)
    products, operands = matrix_products(K, L, N)
    seconds = harness.interleaved_medians(
        {
            "kernel": lambda: harness.wait(kernel(*tensors)),
            "float64": lambda: harness.wait(kernel(*far)),
            "again": lambda: harness.wait(kernel(*balanced)),
            "graph": lambda: harness.wait(tfp_graph(*tensors)),
            "xla": lambda: harness.wait(tfp_xla(*tensors)),
            "products": lambda: harness.wait(products(*operands)),
        },
        repeats,
    )
    return {
        "K": K,
        "L": L,
        "N": N,
        "kernel ms": 1e3 * seconds["kernel"],
        "TFP graph x": seconds["graph"] / seconds["kernel"],
        "TFP XLA x": seconds["xla"] / seconds["kernel"],
        "of products x": seconds["kernel"] / seconds["products"],
        "float64 form x": seconds["float64"] / seconds["kernel"],
        "made again x": seconds["again"] / seconds["kernel"],
        **errors(kernel, tfp_graph, tensors),
    }


def errors(kernel: Callable, reference: Callable, tensors: Sequence) -> dict:
    """Largest error of the log-density and largest relative error of a gradient, against float64."""
    import numpy as np
    import tensorflow as tf

    wanted = reference(
        *(tf.cast(t[:2000] if i == 0 else t, tf.float64) for i, t in enumerate(tensors))
    )
    actual = kernel(tensors[0][:2000], *tensors[1:])
    relative = [
        np.linalg.norm(a.numpy() - w.numpy()) / np.linalg.norm(w.numpy())
        for a, w in zip(actual[1:], wanted[1:], strict=True)
    ]
    error = np.max(np.abs(actual[0].numpy() - wanted[0].numpy()))
    return {"error nats": float(error), "gradient error": float(max(relative))}


def growth() -> list[dict]:
    """Time and memory over K at N = 4,096, and over N at K = 100 (L = 32)."""
    return [
        row for name, sizes in SWEEPS.items() for row in sweep(name, in_process("cost", "0", sizes))
    ]


def sweep(name: str, rows: list[dict]) -> list[dict]:
    """Costs of growing problems, each with its slope from the first."""
    first = rows[0]
    for row in rows:
        ratio = row["K"] * row["N"] / (first["K"] * first["N"])
        slope = (
            math.log(row["seconds"] / first["seconds"]) / math.log(ratio) if ratio > 1 else math.nan
        )
        row["slope"] = slope
    return [{"sweep": name, **row} for row in rows]


def cost(K: int, L: int, N: int, repeats: int = 3) -> dict:
    """Seconds and growth of the process's memory, forward and backward, compilation not timed."""
    import tensorflow as tf

    tensors = problem(K, L, N)
    function = tf.function(value_and_gradients(kernel_log_prob()))
    grown = harness.peak_growth(lambda: harness.wait(function(*tensors)))
    seconds = harness.interleaved_medians(
        {"": lambda: harness.wait(function(*tensors))}, repeats, 0
    )[""]
    return {"K": K, "L": L, "N": N, "seconds": seconds, "MiB": grown / 2**20}


def problem(K: int, L: int, N: int) -> tuple:
    """Samples, means and log weights from standard normals, log-variances around 0."""
    import tensorflow as tf

    draw = tf.random.Generator.from_seed(0).normal
    return draw((N, L)), draw((K, L)), 0.3 * draw((K, L)), draw((K,))


def kernel_log_prob():
    """The kernel's log-density."""
    from tf_sintrovae.kernels import mixture

    return mixture.log_prob


def tfp_log_prob(z, loc, logvar, logits):
    """TFP's log-density of the same mixture."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    tfd = tfp.distributions
    components = tfd.MultivariateNormalDiag(loc, tf.exp(0.5 * logvar))
    return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components).log_prob(z)


def value_and_gradients(log_prob):
    """A function that gives the log-density and the gradients of its sum at every argument."""
    import tensorflow as tf

    def call(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            density = log_prob(*tensors)
        return density, *tape.gradient(density, tensors)

    return call


def matrix_products(K: int, L: int, N: int) -> tuple:
    """The three products that no form by matrix products can do without, in one compiled function."""
    import tensorflow as tf

    draw = tf.random.Generator.from_seed(0).normal

    @tf.function(jit_compile=True)
    def products(features, weights, values):
        return (
            tf.matmul(features, weights, transpose_b=True),  # [N, 2L] x [2L, K]
            tf.matmul(values, weights),  # [N, K] x [K, 2L]
            tf.matmul(values, features, transpose_a=True),  # [K, N] x [N, 2L]
        )

    return products, (draw((N, 2 * L)), draw((K, 2 * L)), draw((N, K)))


PARTS = {"speed": speed, "cost": cost}

if __name__ == "__main__":
    main()
