"""Time of a batch norm with leaky ReLU, forward and backward, against the same in Keras's layers.

    python -m benchmarks.batch_norm [--output=batch_norm.json]

At the sizes of the F-MNIST networks, batch 128. Each oneDNN setting runs in a process of its own.
"""

from benchmarks import harness

SHAPES = [(128, 28, 28, 64), (128, 14, 14, 128), (128, 7, 7, 128)]


def main() -> None:
    """Runs one process for each oneDNN setting, prints tables and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    options = parser.parse_args()
    if options.child:
        harness.write_json(options.child, [measure(shape) for shape in SHAPES])
        return
    results = harness.compare_onednn("benchmarks.batch_norm")
    if options.output:
        harness.write_json(options.output, results)


def measure(shape: tuple[int, ...]) -> dict:
    """One row: milliseconds and the ratio."""
    import keras
    import tensorflow as tf

    from tf_sintrovae.networks import LEAKY_SLOPE
    from tf_sintrovae.normalization import FusedBatchNormalization

    x = tf.random.Generator.from_seed(0).normal(shape)
    functions = {
        "keras": _step(
            keras.layers.BatchNormalization(),
            lambda y: keras.ops.maximum(y, LEAKY_SLOPE * y),
            x,
        ),
        "fused": _step(
            FusedBatchNormalization(), lambda y: keras.ops.leaky_relu(y, LEAKY_SLOPE), x
        ),
    }
    seconds = harness.interleaved_medians(functions, repeats=15)
    return {
        "shape": "x".join(map(str, shape)),
        "keras ms": 1e3 * seconds["keras"],
        "fused ms": 1e3 * seconds["fused"],
        "keras/fused": seconds["keras"] / seconds["fused"],
    }


def _step(layer, activation, x):
    """A function that runs the layer and its activation, and all gradients."""
    import tensorflow as tf

    layer.build(x.shape)

    @tf.function
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = activation(layer(x, training=True))
        return tape.gradient(y, [x, layer.gamma.value, layer.beta.value], y)

    return lambda: function(x)[1].numpy()


if __name__ == "__main__":
    main()
