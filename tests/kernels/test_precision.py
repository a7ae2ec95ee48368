"""The precision contract, over the ranges that it promises (docs/kernels.md)."""

import functools

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tests.kernels import problems
from tf_sintrovae.kernels import mixture, paired_streamed, precision, programs

# Few shapes: each compiles once.
shapes = st.sampled_from([(64, 1, 1), (48, 4, 2), (96, 3, 32)])
expanded_shapes = st.sampled_from([(64, 1, 6), (48, 4, 8), (96, 3, 32)])
seeds = st.integers(0, 2**32 - 1)
# Programs for CPUs and for GPUs, held to one promise.
platforms = pytest.mark.parametrize("platform", ["cpu", "gpu"])
# Without shrinking: a failing example is as plain as another, and each may compile anew.
settings = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


def float32_problem(seed, shape, **options):
    """A problem whose float64 arrays are exactly what float32 can hold."""
    N, K, L = shape
    problem = problems.random_problem(np.random.default_rng(seed), N, K, L, **options)
    return [np.float64(np.float32(array)) for array in problem]


def check_contract(problem, platform, upstream=None):
    log_prob = functools.partial(mixture.log_prob, platform=platform)
    narrow, wide = (problems.as_tensors(problem, dtype) for dtype in (tf.float32, tf.float64))
    wanted = problems.tfp_values(*wide)[0].numpy()
    error = np.abs(np.float64(log_prob(*narrow)) - wanted)
    np.testing.assert_array_less(error, 1e-3 + 1e-5 * np.abs(wanted))
    if upstream is None:
        upstream = 1.0 + 0.5 * np.cos(np.arange(len(wanted)))
    actual = problems.gradients(log_prob, narrow, upstream)
    wanted = problems.gradients(lambda *a: problems.tfp_values(*a)[0], wide, upstream)
    for name, a, w in zip(("z", "loc", "logvar", "logits"), actual, wanted, strict=True):
        if name == "logits" and w.size == 1:
            np.testing.assert_array_equal(a, 0)
        else:
            assert problems.relative_error(a, w) < 1e-4, name


@platforms
@settings
@hypothesis.given(
    seed=seeds,
    shape=shapes,
    spread=st.floats(0.5, 20),
    logvar=st.floats(-12, 4),
    width=st.floats(0, 4),
    deviations=st.floats(0.25, 4),
)
def test_float32_keeps_the_contract(platform, seed, shape, spread, logvar, width, deviations):
    limits = (max(logvar - width, -12.0), min(logvar + width, 4.0))
    problem = float32_problem(seed, shape, spread=spread, logvar=limits, deviations=deviations)
    check_contract(problem, platform)


def maximise_likelihood(z, num_components, rounds):
    """Parameters by some rounds of expectation maximisation: where the gradients nearly vanish."""
    rng = np.random.default_rng(3)
    loc = z[rng.integers(0, len(z), num_components)]
    logvar, logits = np.zeros_like(loc), np.zeros(num_components)
    for _ in range(rounds):
        values = problems.tfp_values(*problems.as_tensors((z, loc, logvar, logits), tf.float64))[1]
        values = values.numpy()  # [N, K]
        total = values.sum(0)[:, np.newaxis]
        loc = values.T @ z / total
        logvar = np.log(np.maximum(values.T @ z**2 / total - loc**2, 1e-4))
        logits = np.log(total[:, 0] / len(z))
    return loc, logvar, logits


@platforms
@pytest.mark.parametrize("L", [2, 8, 32])
@pytest.mark.parametrize("rounds", [10, 100])
def test_gradients_of_parameters_keep_the_contract_near_an_optimum(L, rounds, platform):
    z, *_ = problems.random_problem(np.random.default_rng(5), N=2000, K=8, L=L)
    problem = [np.float64(np.float32(array)) for array in (z, *maximise_likelihood(z, 8, rounds))]
    check_contract(problem, platform, np.ones(2000))


@platforms
@pytest.mark.parametrize("L", [2, 8, 32])
def test_gradient_of_balanced_weights_keeps_the_contract(L, platform):
    """Samples in the middle of two equal components: what one weight gains the other loses."""
    rng = np.random.default_rng(0)
    direction = np.full(L, 6.0 / np.sqrt(L))
    loc = np.stack([direction, -direction])
    z = 1e-4 * rng.normal(size=(256, L))
    problem = [np.float64(np.float32(a)) for a in (z, loc, np.zeros((2, L)), np.zeros(2))]
    check_contract(problem, platform, np.ones(256))


@pytest.mark.parametrize(
    ("L", "platform"), [(2, "cpu"), (8, "cpu"), (32, "cpu"), (2, "gpu"), (32, "gpu")]
)
def test_gradients_of_both_signs_keep_the_contract(L, platform):
    """Samples of data and of a good model, whose densities count with opposite signs."""
    rng = np.random.default_rng(0)
    z, *parameters = problems.random_problem(rng, N=400, K=4, L=L)
    both = np.concatenate([z, z + 1e-3 * rng.normal(size=z.shape)])
    problem = [np.float64(np.float32(array)) for array in (both, *parameters)]
    check_contract(problem, platform, np.repeat([1.0, -1.0], 400))


@pytest.mark.parametrize(("L", "platform"), [(2, "cpu"), (8, "cpu"), (8, "gpu")])
@pytest.mark.parametrize(
    "function", [mixture.log_prob_and_mean_responsibilities, mixture.log_prob_and_responsibilities]
)
def test_gradients_of_equal_responsibilities_keep_the_contract(L, function, platform):
    """Their sum is 1, so that what is the same in all their gradients cancels."""
    rng = np.random.default_rng(0)
    problem = float32_problem(0, (200, 4, L))
    narrow, wide = (problems.as_tensors(problem, dtype) for dtype in (tf.float32, tf.float64))
    upstream = np.float64(np.float32(1 + 1e-4 * rng.normal(size=4)))
    means = function is mixture.log_prob_and_mean_responsibilities

    def reference(*tensors):
        density, values = problems.tfp_values(*tensors)
        return density, tf.reduce_mean(values, axis=0) if means else values

    on_platform = functools.partial(function, platform=platform)
    actual = problems.gradients(on_platform, narrow, 0.0, upstream)
    wanted = problems.gradients(reference, wide, 0.0, upstream)
    for name, a, w in zip(("z", "loc", "logvar", "logits"), actual, wanted, strict=True):
        assert problems.relative_error(a, w) < 1e-4, name


@pytest.mark.parametrize(("L", "platform"), [(2, "cpu"), (8, "cpu"), (8, "gpu")])
def test_large_problems_keep_the_contract_near_an_optimum(L, platform, monkeypatch):
    monkeypatch.setattr(programs, "RESIDENT_LIMIT", 0)
    monkeypatch.setattr(paired_streamed, "BLOCK", 512 * 8)
    z, *_ = problems.random_problem(np.random.default_rng(5), N=1500, K=8, L=L)
    problem = [np.float64(np.float32(array)) for array in (z, *maximise_likelihood(z, 8, 30))]
    check_contract(problem, platform, np.ones(1500))


@platforms
def test_equal_components_leave_only_rounding_in_the_gradient_of_their_weights(platform):
    """The true gradient is zero, so that no relative error is defined."""
    z, loc, logvar, logits = float32_problem(0, (48, 4, 2), spread=0.0, logvar=(0.0, 0.0))
    tensors = problems.as_tensors((z, loc, logvar, logits), tf.float32)
    log_prob = functools.partial(mixture.log_prob, platform=platform)
    grad_logits = problems.gradients(log_prob, tensors, 1.0)[3]
    np.testing.assert_allclose(grad_logits, 0, atol=48 * 2.0**-22)


@settings
@hypothesis.given(seeds, expanded_shapes, st.floats(0.5, 2.0))
def test_float32_keeps_the_contract_where_the_guard_switches(seed, shape, factor):
    """Problems just under and just over the size at which float64 takes over."""
    problem = float32_problem(seed, shape, logvar=(-0.1, 0.1))
    size = precision.expansion_size(*problems.as_tensors(problem[:3], tf.float64)).numpy()
    z, loc, logvar, logits = problem
    shift = np.log(factor * precision.FLOAT32_LIMIT / size) if len(loc) > 1 else 0.0
    # Shrinking every variance and the deviations alike keeps the samples near their components.
    check_contract([np.float64(np.float32(a)) for a in (z, loc, logvar - shift, logits)], "cpu")


@platforms
@settings
@hypothesis.given(
    seed=seeds,
    shape=shapes,
    log_size=st.floats(0, 6),
    logvar=st.floats(-30, 30),
    log_scale=st.floats(0, 6),
)
def test_extremes_stay_finite(platform, seed, shape, log_size, logvar, log_scale):
    rng = np.random.default_rng(seed)
    N, K, L = shape
    z = np.clip(rng.normal(size=(N, L)) * 10**log_scale, -1e6, 1e6)
    loc = np.clip(rng.normal(size=(K, L)) * 10**log_size, -1e6, 1e6)
    logvars = np.clip(logvar + rng.normal(size=(K, L)), -30, 30)
    logits = rng.normal(size=K)
    if K > 1:
        logits[0] = -np.inf
    tensors = problems.as_tensors((z, loc, logvars, logits), tf.float32)
    function = functools.partial(mixture.log_prob_and_mean_responsibilities, platform=platform)
    outputs = [t.numpy() for t in function(*tensors)]
    outputs += problems.gradients(function, tensors, 1.0, np.arange(float(K)))
    assert all(np.isfinite(output).all() for output in outputs)


@platforms
@pytest.mark.parametrize("value", [-1e6, 1e6])
def test_corners_stay_finite(value, platform):
    log_prob = functools.partial(mixture.log_prob, platform=platform)
    z, loc = np.full((64, 1), value), np.full((1, 1), -value)
    for logvar in (-30.0, 30.0):
        tensors = problems.as_tensors((z, loc, [[logvar]], [0.0]), tf.float32)
        assert np.isfinite(log_prob(*tensors)).all()
        assert all(np.isfinite(g).all() for g in problems.gradients(log_prob, tensors, 1.0))


def test_expansion_size_bounds_the_terms():
    # One component at 3 and one at -3, variance 1/4: centre 0; the sample at 5 is 10 deviations away from it.
    size = precision.expansion_size(
        *(
            tf.constant(a)
            for a in ([[5.0], [1.0]], [[3.0], [-3.0]], np.full((2, 1), np.log(0.25), "f"))
        )
    )
    np.testing.assert_allclose(size, 100 + 36, rtol=1e-6)
