"""The form by blocks: the same numbers as the resident one, and no large arrays."""

import numpy as np
import pytest
import tensorflow as tf

from tests.kernels import hlo, problems
from tf_sintrovae.kernels import mixture, programs, streamed
from tf_sintrovae.kernels.components import Upstream


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(programs, "RESIDENT_LIMIT", 0)
    monkeypatch.setattr(streamed, "SAMPLE_BLOCK", 16)
    monkeypatch.setattr(streamed, "COMPONENT_BLOCK", 3)


# Sizes that blocks of 16 and 3 divide, leave a rest of, and are larger than.
@pytest.mark.parametrize("N, K", [(32, 6), (40, 7), (5, 2), (33, 1)])
def test_matches_tfp(small_blocks, N, K):
    rng = np.random.default_rng(N)
    tensors = problems.as_tensors(problems.random_problem(rng, N=N, K=K), tf.float64)
    upstream = rng.normal(size=N), N * rng.normal(size=K)

    def streamed(*args):
        return mixture.log_prob_and_mean_responsibilities(*args, jit_compile=False)

    def reference(*args):
        density, values = problems.tfp_values(*args)
        return density, tf.reduce_mean(values, axis=0)

    for a, w in zip(streamed(*tensors), reference(*tensors), strict=True):
        np.testing.assert_allclose(a, w, atol=1e-10)
    actual = problems.gradients(streamed, tensors, *upstream)
    wanted = problems.gradients(reference, tensors, *upstream)
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-10, atol=1e-10)
    density_alone = problems.gradients(
        lambda *args: mixture.log_prob(*args, jit_compile=False), tensors, upstream[0]
    )
    wanted = problems.gradients(lambda *args: problems.tfp_values(*args)[0], tensors, upstream[0])
    for a, w in zip(density_alone, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-10, atol=1e-10)


def test_float32_keeps_digits_of_large_densities(small_blocks):
    """A log-density of 1e5 has an ulp of 0.008: the normaliser is kept in two parts."""
    rng = np.random.default_rng(0)
    problem = problems.random_problem(rng, K=6, L=40, logvar=(-2, 0), deviations=6.0)
    problem = [np.float64(np.float32(a)) for a in problem]
    problem[0] = np.float64(np.float32(problem[0] * 40))
    narrow, wide = (problems.as_tensors(problem, dtype) for dtype in (tf.float32, tf.float64))
    assert np.median(np.abs(problems.tfp_values(*wide)[0])) > 1e5
    actual = problems.gradients(
        lambda *args: mixture.log_prob(*args, jit_compile=False), narrow, 1.0
    )
    wanted = problems.gradients(lambda *args: problems.tfp_values(*args)[0], wide, 1.0)
    for a, w in zip(actual[:3], wanted[:3], strict=True):
        assert problems.relative_error(a, w) < 1e-4


def test_weight_of_zero_in_a_block_of_its_own(small_blocks):
    z, loc, logvar, logits = problems.random_problem(np.random.default_rng(1), K=6)
    logits[:3] = -np.inf  # the whole first block
    tensors = problems.as_tensors((z, loc, logvar, logits), tf.float64)
    np.testing.assert_allclose(
        mixture.log_prob(*tensors, jit_compile=False), problems.tfp_values(*tensors)[0], atol=1e-10
    )
    for gradient in problems.gradients(
        lambda *args: mixture.log_prob(*args, jit_compile=False), tensors, 1.0
    )[1:]:
        np.testing.assert_array_equal(gradient[:3], 0)
        assert np.isfinite(gradient).all()


def test_compiled_programs_hold_no_large_array():
    """No buffer of forward or backward has N * K elements, or more than a block of the joint density."""
    N, K, L = 5_000, 6_000, 4
    inputs = [tf.zeros(s) for s in ((N, L), (K, L), (K, L), (K,))]
    state = streamed.StreamedState(tf.zeros(N), tf.zeros(N, tf.float64), tf.zeros(N))
    upstream = Upstream(tf.ones(N), tf.ones((1, K)), tf.constant(N))
    for name in ("forward", "grad_z", "grad_parameters"):
        function = getattr(programs, name).__wrapped__
        arguments = inputs if name == "forward" else [*inputs, state, upstream]
        program = hlo.compile_text(function, *arguments, form="streamed", platform="cpu")
        largest = hlo.largest_buffer(program)
        assert largest <= streamed.SAMPLE_BLOCK * streamed.COMPONENT_BLOCK, name
        assert largest < N * K / 10


def test_large_problem_streams_by_itself():
    N, K = 4_100, 4_200
    rng = np.random.default_rng(0)
    tensors = problems.as_tensors(problems.random_problem(rng, N=N, K=K, L=2), tf.float32)
    assert programs.is_large(*tensors[:2])
    density, mean = mixture.log_prob_and_mean_responsibilities(*tensors)
    rows = slice(0, N, 500)
    wide = [tf.cast(t, tf.float64) for t in tensors]
    np.testing.assert_allclose(
        density[rows], problems.tfp_values(wide[0][rows], *wide[1:])[0], atol=1e-3
    )
    np.testing.assert_allclose(tf.reduce_sum(mean), 1, rtol=1e-5)


@pytest.mark.parametrize("K, streams", [(4, True), (2, False)])
def test_batch_of_unknown_size(small_blocks, monkeypatch, K, streams):
    """Many components stream, few do not; both give what known sizes give."""
    monkeypatch.setattr(programs, "UNKNOWN_BATCH_LIMIT", 3)
    tensors = problems.as_tensors(
        problems.random_problem(np.random.default_rng(0), K=K, L=2), tf.float64
    )
    assert programs.is_large(tf.TensorSpec((None, 2)), tensors[1]) == streams

    def grad_z(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            density, mean = mixture.log_prob_and_mean_responsibilities(
                z, *tensors[1:], jit_compile=False
            )
            total = tf.reduce_sum(density) + tf.reduce_sum(mean**2)
        return tape.gradient(total, z)

    any_size = tf.function(grad_z, input_signature=[tf.TensorSpec((None, 2), tf.float64)])
    np.testing.assert_allclose(any_size(tensors[0]), grad_z(tensors[0]), rtol=1e-10, atol=1e-12)


def test_a_known_size_is_not_served_by_a_program_for_any(monkeypatch):
    """The form follows the size, whatever was traced before."""
    # A program of its own: other tests' traces, which may suit this size too, are not in it.
    monkeypatch.setattr(programs, "forward", programs.compile_program(programs.forward.__wrapped__))
    tensors = problems.as_tensors(
        problems.random_problem(np.random.default_rng(0), N=20, K=6, L=9), tf.float32
    )
    any_batch = [tf.TensorSpec((None, 9)), *(tf.TensorSpec(t.shape) for t in tensors[1:])]
    tf.function(mixture.log_prob, input_signature=any_batch)(*tensors)
    traced = []
    forward = streamed.forward
    monkeypatch.setattr(streamed, "forward", lambda *a: traced.append(a) or forward(*a))
    monkeypatch.setattr(programs, "RESIDENT_LIMIT", 100)
    density = mixture.log_prob(*tensors)
    assert traced
    np.testing.assert_allclose(density, problems.tfp_values(*tensors)[0], rtol=1e-5)


def test_empty_batch_of_an_unknown_size(monkeypatch):
    monkeypatch.setattr(programs, "UNKNOWN_BATCH_LIMIT", 3)
    _, *parameters = problems.as_tensors(
        problems.random_problem(np.random.default_rng(0), K=6, L=9), tf.float32
    )

    @tf.function(input_signature=[tf.TensorSpec((None, 9))])
    def gradients(z):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            density = mixture.log_prob(z, *parameters, jit_compile=False)
        return density, tape.gradient(density, parameters)

    density, values = gradients(tf.zeros((0, 9)))
    assert density.shape == (0,) and all(np.all(value == 0) for value in values)
