"""What the forms of GPUs promise beside their numbers, by their programs as XLA compiles them here."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from tests.kernels import hlo, problems
from tf_sintrovae.kernels import mixture, paired_resident, paired_streamed, programs
from tf_sintrovae.kernels.components import Upstream
from tf_sintrovae.kernels.pairs import Pair

N, K, L = 3_000, 600, 24
PROGRAMS = ("forward", "forward_and_mean_responsibilities", "grad_z", "grad_parameters")
STATES = {
    "paired_resident": paired_resident.PairedState(
        tf.zeros(N), Pair(tf.zeros((N, K)), tf.zeros((N, K)))
    ),
    "paired_streamed": paired_streamed.PairedStreamedState(
        tf.zeros(N), *[Pair(tf.zeros(N), tf.zeros(N))] * 2
    ),
}


@functools.cache
def compiled(name, form):
    """The text of a program at N, K and L, with a gradient at the mean responsibilities."""
    inputs = [tf.zeros(shape) for shape in ((N, L), (K, L), (K, L), (K,))]
    backward = (STATES[form], Upstream(tf.ones(N), tf.ones((1, K)), tf.constant(N)))
    arguments = [*inputs, *(backward if name.startswith("grad") else ())]
    function = getattr(programs, name).__wrapped__
    return hlo.compile_text(function, *arguments, form=form, platform="gpu")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(paired_streamed, "BLOCK", 2**16)
    monkeypatch.setattr(paired_streamed, "COMPONENT_BLOCK", 2**8)


@pytest.mark.parametrize("form", STATES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_float32_and_leave_the_host_alone(name, form, small_blocks):
    program = compiled(name, form)
    assert "f32[" in program and "f64[" not in program
    operations = hlo.operations(program)
    assert "reduce" in operations
    # A product may be rounded as TF32.
    assert not operations & (hlo.FORBIDDEN | {"dot"})
    # Nor is the length of a loop anything but a constant of the program: conditions read a counter alone.
    for condition in re.findall(r"condition=%?([\w.-]+)", program):
        body = re.search(rf"^%{re.escape(condition)} .*?^}}", program, re.MULTILINE | re.DOTALL)
        assert body.group().count("get-tuple-element(") == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_resident_programs_hold_no_array_of_all_three_sizes(name):
    assert hlo.largest_buffer(compiled(name, "paired_resident")) <= 1.1 * N * K


@pytest.mark.parametrize("name", PROGRAMS)
def test_streamed_programs_hold_no_more_than_a_block(name, small_blocks):
    limit = max(paired_streamed.BLOCK, N * L, K * L)
    assert hlo.largest_buffer(compiled(name, "paired_streamed")) <= 1.1 * limit < N * K / 10


def test_a_stored_array_is_seen():
    program = hlo.compile_text(
        lambda z, loc: (tf.square(z[:, tf.newaxis] - loc), tf.reduce_sum(z)),
        tf.zeros((7, 5)),
        tf.zeros((3, 5)),
    )
    assert hlo.largest_buffer(program) == 7 * 3 * 5


@pytest.mark.parametrize("size", [1, 100, 1_024, 5_000, 1_000_000])
def test_blocks_fill_a_gpu(size):
    in_block = min(size, paired_streamed.COMPONENT_BLOCK)
    samples = int(paired_streamed.samples_in_block(tf.zeros((size, 2))))
    assert 2**22 <= samples * in_block <= 2**26


def test_streamed_form_matches_tfp(monkeypatch):
    """Blocks of 16 and 3, which leave a rest, and a weight of zero for all of the first."""
    monkeypatch.setattr(programs, "RESIDENT_LIMIT", 0)
    monkeypatch.setattr(paired_streamed, "BLOCK", 16 * 3)
    monkeypatch.setattr(paired_streamed, "COMPONENT_BLOCK", 3)
    rng = np.random.default_rng(0)
    problem = problems.random_problem(rng, N=40, K=7)
    problem[3][:3] = -np.inf
    tensors = problems.as_tensors(problem, tf.float32)
    wide = [tf.cast(tensor, tf.float64) for tensor in tensors]
    upstream = np.float32(rng.normal(size=40)), np.float32(40 * rng.normal(size=7))

    def reference(*args):
        density, values = problems.tfp_values(*args)
        return density, tf.reduce_mean(values, axis=0)

    function = functools.partial(mixture.log_prob_and_mean_responsibilities, platform="gpu")
    actual = [*function(*tensors), *problems.gradients(function, tensors, *upstream)]
    wanted = [*reference(*wide), *problems.gradients(reference, wide, *upstream)]
    for a, w in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-6, atol=1e-6)
        if len(a) == 7:  # of the components
            np.testing.assert_array_equal(a[:3], 0)


def test_no_samples():
    _, *parameters = problems.random_problem(np.random.default_rng(0))
    tensors = problems.as_tensors((np.zeros((0, 3)), *parameters), tf.float32)
    log_prob = functools.partial(mixture.log_prob, platform="gpu")
    grad_z, *others = problems.gradients(log_prob, tensors, 1.0)
    assert log_prob(*tensors).shape == (0,) and grad_z.shape == (0, 3)
    assert all(np.all(gradient == 0) for gradient in others)


def test_float64_stays_float64():
    problem = problems.random_problem(np.random.default_rng(0), L=2)
    tensors = problems.as_tensors(problem, tf.float64)
    density = mixture.log_prob(*tensors, platform="gpu")
    assert density.dtype == tf.float64
    np.testing.assert_allclose(density, problems.tfp_values(*tensors)[0], rtol=1e-12)


def test_same_bits_whatever_the_order_of_samples():
    """Sums over samples round to the same float32 in any order, as a GPU's threads may have it."""
    rng = np.random.default_rng(0)
    z, *parameters = problems.random_problem(rng, N=3_000, K=5, L=2)
    orders = [np.arange(3_000), rng.permutation(3_000)]
    log_prob = functools.partial(mixture.log_prob, platform="gpu")
    gradients = [
        problems.gradients(log_prob, problems.as_tensors((z[o], *parameters), tf.float32), 1.0)[1:]
        for o in orders
    ]
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_array_equal(a, b)
