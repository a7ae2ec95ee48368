"""Samples: their law, their gradient, and what they touch."""

import functools

import numpy as np
import tensorflow as tf

from tests.kernels import problems
from tf_sintrovae.kernels import mixture


def parameters(dtype=tf.float32, K=4, L=3):
    problem = problems.random_problem(np.random.default_rng(0), K=K, L=L)
    return problems.as_tensors(problem[1:], dtype)


def test_law():
    loc, logvar, logits = parameters(tf.float64)
    z, component = mixture.sample(200_000, loc, logvar, logits, (1, 2))
    share = np.bincount(component, minlength=4) / 200_000
    # Five standard errors of a share and of a moment.
    np.testing.assert_allclose(share, tf.nn.softmax(logits), atol=5 * 0.5 / np.sqrt(200_000))
    eps = (z - tf.gather(loc, component)) / tf.exp(0.5 * tf.gather(logvar, component))
    np.testing.assert_allclose(tf.reduce_mean(eps, axis=0), 0, atol=5 / np.sqrt(200_000))
    np.testing.assert_allclose(np.var(eps, axis=0), 1, atol=5 * np.sqrt(2 / 200_000))
    np.testing.assert_allclose(np.corrcoef(eps.numpy().T), np.eye(3), atol=5 / np.sqrt(200_000))
    np.testing.assert_allclose(np.mean(eps.numpy() ** 4), 3, atol=0.1)


def test_seeds_are_stateless_and_the_same_in_every_context():
    arguments = parameters()
    z, component = mixture.sample(50, *arguments, (1, 2))
    for jit_compile in (False, True):
        draw = tf.function(
            lambda seed, count: mixture.sample(count, *arguments, seed), jit_compile=jit_compile
        )
        again = draw(tf.constant([1, 2]), 50)
        np.testing.assert_allclose(again[0], z, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(again[1], component)
    other, _ = mixture.sample(50, *arguments, (1, 3))
    assert not np.any(other == z)


def test_neighbouring_seeds_are_independent():
    loc, logvar, logits = tf.zeros((4, 2)), tf.zeros((4, 2)), tf.zeros(4)
    draws = [
        mixture.sample(5_000, loc, logvar, logits, (first, second))
        for first in range(3)
        for second in range(3)
    ]
    columns = np.concatenate([np.c_[z, component] for z, component in draws], axis=1)
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / np.sqrt(5_000)


def test_number_may_be_a_tensor():
    z, component = mixture.sample(tf.constant(7), *parameters(), (0, 0))
    assert z.shape == (7, 3) and component.shape == (7,) and component.dtype == tf.int32


def test_components_by_inverse_distribution_function():
    logits = np.log([1e-300, 0.25, 0.5, 1e-300, 0.25]) + 7.0
    logits[[0, 3]] = -np.inf
    uniform = [0.0, 0.2499, 0.2501, 0.7499, 0.7501, np.nextafter(1.0, 0.0), 1.0]
    components = mixture.sample_components(tf.constant(uniform, tf.float64), tf.constant(logits))
    np.testing.assert_array_equal(components, [1, 1, 2, 2, 4, 4, 4])


def test_zero_weights_at_the_end_are_never_drawn():
    logits = tf.constant([0.0, 0.0, 0.0, -np.inf, -np.inf])
    uniform = tf.constant([0.0, 0.5, 0.99999994, 1.0])
    assert np.max(mixture.sample_components(uniform, logits)) == 2


def test_gradient_reaches_the_drawn_rows_only():
    loc, logvar, _ = parameters(tf.float64)
    component = tf.constant([2, 0, 2])
    eps = tf.constant([[1.0, -2.0, 0.5]] * 3, tf.float64)
    grad_loc, grad_logvar = problems.gradients(
        lambda loc, logvar: mixture.component_sample(component, eps, loc, logvar),
        [loc, logvar],
        1.0,
    )
    np.testing.assert_array_equal(grad_loc, [[1] * 3, [0] * 3, [2] * 3, [0] * 3])
    # dz / dlogvar = exp(logvar / 2) eps / 2, twice for the component drawn twice.
    half = 0.5 * np.exp(0.5 * logvar.numpy()) * eps[0].numpy()
    np.testing.assert_allclose(grad_logvar, half * [[1], [0], [2], [0]], rtol=1e-12)


def test_gradient_on_gpus_is_that_of_a_scatter():
    """700 samples, in several blocks, of 9 components; to the bit where float64 rounds once."""
    rng = np.random.default_rng(0)
    loc, logvar = (tf.constant(rng.normal(size=(9, 4)), tf.float32) for _ in range(2))
    component = tf.constant(rng.integers(0, 8, 700), tf.int32)
    eps, upstream = (rng.normal(size=(700, 4)).astype(np.float32) for _ in range(2))

    def found(dtype, platform):
        sample = functools.partial(mixture.component_sample, component, tf.constant(eps, dtype))
        return problems.gradients(
            functools.partial(sample, platform=platform),
            [tf.cast(loc, dtype), tf.cast(logvar, dtype)],
            upstream,
        )

    (grad_loc, grad_logvar), wide = found(tf.float32, "gpu"), found(tf.float64, "cpu")
    np.testing.assert_array_equal(grad_loc, wide[0].astype(np.float32))
    np.testing.assert_allclose(grad_logvar, wide[1], rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(grad_loc[8], 0)


def test_gradient_on_gpus_reaches_variables():
    loc, logvar = tf.Variable(tf.ones((3, 2))), tf.Variable(tf.zeros((3, 2)))
    component, eps = tf.constant([2, 0, 2]), tf.ones((3, 2))
    with tf.GradientTape() as tape:
        z = mixture.component_sample(component, eps, loc, logvar, platform="gpu")
    grad_loc, grad_logvar = tape.gradient(z, [loc, logvar])
    np.testing.assert_array_equal(tf.convert_to_tensor(grad_loc)[:, 0], [1, 0, 2])
    np.testing.assert_array_equal(tf.convert_to_tensor(grad_logvar)[:, 0], [0.5, 0, 1])


def test_gradient_on_gpus_has_a_gradient():
    rng = np.random.default_rng(1)
    loc, logvar = (tf.constant(rng.normal(size=(3, 2)), tf.float32) for _ in range(2))
    component, eps = tf.constant([2, 0, 2, 1]), tf.constant(rng.normal(size=(4, 2)), tf.float32)

    def second(platform):
        def gradient(loc, logvar):
            with tf.GradientTape() as tape:
                tape.watch(logvar)
                z = mixture.component_sample(component, eps, loc, logvar, platform=platform)
                total = tf.reduce_sum(z**3)
            return tape.gradient(total, logvar)

        return problems.gradients(gradient, [loc, logvar], 1.0)

    for gpu, cpu in zip(second("gpu"), second("cpu"), strict=True):
        assert np.any(cpu != 0)
        np.testing.assert_allclose(gpu, cpu, rtol=1e-5)


def test_does_not_touch_all_components():
    """50 samples of 20,000 components: no tensor with N * K elements in the graph."""
    specs = [tf.TensorSpec(s) for s in ((20_000, 2), (20_000, 2), (20_000,))]
    graph = (
        tf.function(lambda *p: mixture.sample(50, *p, (0, 1))).get_concrete_function(*specs).graph
    )
    sizes = [
        output.shape.num_elements() or 0 for op in graph.get_operations() for output in op.outputs
    ]
    assert max(sizes) <= 2 * 20_000
