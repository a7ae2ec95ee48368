"""The estimates of rounding, against the errors that float32 gradients are seen to have."""

import functools

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from tests.kernels import problems
from tf_sintrovae.kernels import estimates, mixture, programs
from tf_sintrovae.kernels.components import ComponentsGradient, Upstream, make_components
from tf_sintrovae.kernels.precision import centre, run_at_safe_precision

N, K = 96, 5
# Dimensions of each form.
CASES = [("direct", 1), ("direct", 3), ("resident", 6), ("resident", 32)]

settings = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


@functools.cache
def compiled_errors(form, signs):
    """Compiled once for each shape: estimated and observed errors of the float32 gradients.

    Returns a function of float32 arguments and upstream gradients [N] that gives triples of scalars:
    estimate, observed error and norm of the gradient, for z and, where all terms have one sign, for loc,
    logvar and the log weights.
    """
    rules = programs.FORMS[form]

    @tf.function(jit_compile=True, autograph=False)
    def pairs(z, loc, logvar, logits, grad_log_prob):
        arguments, upstream = (z, loc, logvar, logits), Upstream(grad_log_prob)
        state = programs.forward(*arguments, form=form, platform="cpu", jit_compile=False)
        wide_z, wide_components = centre(tf.float64, *arguments)
        wide_state = rules.forward(wide_z, wide_components, tf.float64)
        wide_upstream = Upstream(tf.cast(grad_log_prob, tf.float64))
        wide = (wide_z, wide_components, wide_state, wide_upstream)

        def run(function):
            if rules.EXPANDS:
                return run_at_safe_precision(function, *arguments, platform="cpu")
            return function(z, make_components(*arguments[1:]))

        def narrow_components(*typed):
            gradient = rules.grad_components(*typed, state, upstream)
            return ComponentsGradient(*(tf.cast(part, tf.float32) for part in gradient))

        rounding = rules.rounding(z, loc, logvar)
        at_samples = estimates.samples_error(
            upstream,
            state.log_prob,
            rules.largest_responsibility(state),
            make_components(*arguments[1:]),
            rounding,
        )
        grad_z = run(lambda *typed: tf.cast(rules.grad_z(*typed, state, upstream), tf.float32))
        found = [compare(at_samples, grad_z, rules.grad_z(*wide))]
        if signs == "one":
            gradient, wanted = run(narrow_components), rules.grad_components(*wide)
            estimated = estimates.components_error(gradient, rounding)
            found += [
                compare(estimate, a, w)
                for estimate, a, w in zip(estimated, gradient[:3], wanted[:3], strict=True)
            ]
        return found

    return pairs


def compare(estimated, narrow, wide):
    return estimated, tf.norm(tf.cast(narrow, tf.float64) - wide), tf.norm(wide)


def check(problem, upstream, form, signs):
    tensors = problems.as_tensors((*problem, upstream), tf.float32)
    names = ("z", "loc", "logvar", "log_weight")
    pairs = compiled_errors(form, signs)(*tensors)
    for name, (estimated, observed, size) in zip(names, pairs, strict=False):
        # Twice: a gradient is made again from half of the promised error on. The factors of the result's
        # terms are rounded, too, which is far below the tolerance.
        own = 8 * estimates.FLOAT32_ROUNDING * float(size)
        assert float(observed) <= 2 * float(estimated) + own, name


def test_gradients_are_made_again_from_half_of_the_promised_error_on():
    assert estimates.GRADIENT_TOLERANCE == 1e-4 / 2


@pytest.mark.parametrize("deviations", [1e-2, 1e-3, 1e-4])
def test_samples_at_the_means_keep_the_contract(deviations):
    """Samples and means far from the origin, and next to each other: positions cancel, pulls do not."""
    rng = np.random.default_rng(0)
    L = 6
    loc = np.array([[1.0], [-1.0]]) * rng.uniform(4.0, 6.0, (2, L))
    logvar = rng.uniform(-0.3, 0.3, (2, L))  # products with such precisions round
    z = np.repeat(loc, 64, axis=0) + deviations * rng.normal(size=(128, L))
    problem = [np.float64(np.float32(a)) for a in (z, loc, logvar, np.zeros(2))]
    narrow, wide = (problems.as_tensors(problem, dtype) for dtype in (tf.float32, tf.float64))
    actual = problems.gradients(mixture.log_prob, narrow, 1.0)[0]
    wanted = problems.gradients(lambda *a: problems.tfp_values(*a)[0], wide, 1.0)[0]
    assert problems.relative_error(actual, wanted) < 1e-4


@pytest.mark.parametrize("form, L", CASES)
def test_estimates_bound_the_observed_errors(form, L):
    @settings
    @hypothesis.given(
        st.integers(0, 2**32 - 1), st.floats(0.1, 20), st.floats(-12, 4), st.floats(0, 4)
    )
    def holds(seed, spread, logvar, width):
        rng = np.random.default_rng(seed)
        limits = (max(logvar - width, -12.0), min(logvar + width, 4.0))
        problem = problems.random_problem(rng, N, K, L, spread=spread, logvar=limits)
        check(problem, rng.uniform(0.1, 1.0, N), form, "one")
        check(problem, rng.normal(size=N), form, "both")

    holds()
