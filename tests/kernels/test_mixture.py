"""The kernels against TFP in float64, and in every context that they must work in."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.kernels import problems
from tf_sintrovae.kernels import mixture, platforms, programs, streamed


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def in_float64(tensors):
    return [tf.cast(tensor, tf.float64) for tensor in tensors]


def with_mean(function):
    """(log_prob, responsibilities) -> (log_prob, mean responsibilities)."""

    def call(*tensors):
        density, values = function(*tensors)
        return density, tf.reduce_mean(values, axis=0)

    return call


@pytest.fixture(params=["direct", "resident", "streamed"])
def form(request, monkeypatch):
    """Has the form of that name taken: by dimensions, by limits of size, and by the platform."""
    if request.param == "streamed":
        monkeypatch.setattr(programs, "RESIDENT_LIMIT", 0)
        monkeypatch.setattr(programs, "UNKNOWN_BATCH_LIMIT", 0)
        monkeypatch.setattr(streamed, "SAMPLE_BLOCK", 16)
        monkeypatch.setattr(streamed, "COMPONENT_BLOCK", 2)
    with platforms.use_platform("gpu" if request.param == "paired_resident" else "cpu"):
        yield request.param


# Those of CPUs and that of GPUs; `test_paired` has the one by blocks.
all_forms = pytest.mark.parametrize(
    "form", ["direct", "resident", "streamed", "paired_resident"], indirect=True
)


@pytest.fixture
def L(form):  # noqa: N802 - the field's name of the size
    """Dimensions with which the form is taken: direct up to four, the others of its platform from five on."""
    return 3 if form == "direct" else 6


@pytest.fixture
def dtype(form):
    """The type that the form is made for: pairs are for float32."""
    return tf.float32 if form == "paired_resident" else tf.float64


@pytest.fixture
def atol(dtype):
    return 1e-10 if dtype == tf.float64 else 1e-5


@all_forms
@pytest.mark.parametrize("jit_compile", [True, False])
def test_values_match_tfp(rng, jit_compile, L, dtype, atol):
    tensors = problems.as_tensors(problems.random_problem(rng, L=L), dtype)
    density, values = problems.tfp_values(*in_float64(tensors))
    options = {"jit_compile": jit_compile}
    np.testing.assert_allclose(mixture.log_prob(*tensors, **options), density, atol=atol)
    np.testing.assert_allclose(mixture.responsibilities(*tensors, **options), values, atol=atol)
    both = mixture.log_prob_and_responsibilities(*tensors, **options)
    np.testing.assert_allclose(both[0], density, atol=atol)
    np.testing.assert_allclose(both[1], values, atol=atol)
    _, mean = mixture.log_prob_and_mean_responsibilities(*tensors, **options)
    np.testing.assert_allclose(mean, tf.reduce_mean(values, axis=0), atol=atol)


@all_forms
@pytest.mark.parametrize("jit_compile", [True, False])
def test_gradients_match_tfp(rng, jit_compile, L, dtype, atol):
    tensors = problems.as_tensors(problems.random_problem(rng, L=L), dtype)
    grad_density, grad_mean = rng.normal(size=40), 40 * rng.normal(size=5)
    grad_values = rng.normal(size=(40, 5))

    def check(function, reference, *upstream):
        upstream = [tf.cast(u, dtype) for u in upstream]
        wanted = problems.gradients(reference, in_float64(tensors), *upstream)
        actual = problems.gradients(
            lambda *args: function(*args, jit_compile=jit_compile), tensors, *upstream
        )
        for a, w in zip(actual, wanted, strict=True):
            np.testing.assert_allclose(a, w, rtol=atol, atol=atol)

    check(mixture.log_prob, lambda *args: problems.tfp_values(*args)[0], grad_density)
    check(mixture.log_prob_and_responsibilities, problems.tfp_values, grad_density, grad_values)
    check(
        mixture.log_prob_and_mean_responsibilities,
        with_mean(problems.tfp_values),
        grad_density,
        grad_mean,
    )


@all_forms
def test_mean_without_gradient(rng, L, dtype):
    """The mean stays the same and carries no gradient; that of the density is whole."""
    tensors = problems.as_tensors(problems.random_problem(rng, L=L), dtype)
    grad_density, grad_mean = rng.normal(size=40), rng.normal(size=5)

    def looked_at(*args):
        return mixture.log_prob_and_mean_responsibilities(*args, mean_gradient=False)

    wanted = mixture.log_prob_and_mean_responsibilities(*tensors)[1]
    np.testing.assert_array_equal(looked_at(*tensors)[1], wanted)
    actual = problems.gradients(looked_at, tensors, grad_density, grad_mean)
    for a, w in zip(
        actual, problems.gradients(mixture.log_prob, tensors, grad_density), strict=True
    ):
        np.testing.assert_allclose(a, w, rtol=1e-12 if dtype == tf.float64 else 1e-6)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_mean_over_many_samples_keeps_digits(rng, platform):
    """It is summed by blocks; the last one is not whole here."""
    problem = problems.random_problem(rng, N=50_001, L=2)
    narrow, wide = (problems.as_tensors(problem, dtype) for dtype in (tf.float32, tf.float64))
    _, mean = mixture.log_prob_and_mean_responsibilities(*narrow, platform=platform)
    wanted = tf.reduce_mean(problems.tfp_values(*wide)[1], axis=0)
    np.testing.assert_allclose(mean, wanted, rtol=1e-6)


def test_gradient_matches_numerical_differentiation(rng, L):
    tensors = problems.as_tensors(problems.random_problem(rng, N=6, K=3, L=L), tf.float64)

    def total(*args):
        density, mean = mixture.log_prob_and_mean_responsibilities(*args)
        return tf.reduce_sum(density**2) + tf.reduce_sum(mean**3)

    theoretical, numerical = tf.test.compute_gradient(total, tensors, delta=1e-5)
    for a, w in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-7, atol=1e-7)


def test_responsibilities_follow_bayes():
    # Two components, a factor 3 in weight; at equal distances the posterior is the prior, 1/4 to 3/4.
    arguments = ([[0.0], [1.0]], [[-1.0], [1.0]], [[0.0], [0.0]], [0.0, np.log(3.0)])
    values = mixture.responsibilities(*(np.float64(a) for a in arguments))
    odds = 3 * np.exp(2.0)  # likelihood ratio at 1: exp(((1 + 1)^2 - 0) / 2)
    np.testing.assert_allclose(values, [[0.25, 0.75], [1 / (1 + odds), odds / (1 + odds)]])


@all_forms
def test_second_order_matches_tfp(rng, L, dtype, atol):
    tensors = problems.as_tensors(problems.random_problem(rng, N=5, K=3, L=L), dtype)

    def squared_gradient(function):
        def call(*args):
            with tf.GradientTape() as tape:
                tape.watch(args)
                density, values = function(*args)
                total = tf.reduce_sum(density**2) + tf.reduce_sum(values**3)
            return tf.add_n([tf.reduce_sum(g**2) for g in tape.gradient(total, args)])

        return call

    reference = squared_gradient(problems.tfp_values)
    wanted = problems.gradients(reference, in_float64(tensors), 1.0)
    kernel = squared_gradient(mixture.log_prob_and_responsibilities)
    for function in (kernel, tf.function(kernel)):
        for a, w in zip(problems.gradients(function, tensors, 1.0), wanted, strict=True):
            np.testing.assert_allclose(a, w, rtol=10 * atol, atol=10 * atol)


@all_forms
def test_one_component_is_a_gaussian(rng, L, dtype, atol):
    tensors = problems.as_tensors(problems.random_problem(rng, K=1, L=L), dtype)
    density, values = mixture.log_prob_and_responsibilities(*tensors)
    wanted = problems.tfp_values(*in_float64(tensors))[0]
    np.testing.assert_allclose(density, wanted, atol=atol)
    np.testing.assert_array_equal(values, 1)
    grad_logits = problems.gradients(mixture.log_prob, tensors, 1.0)[3]
    np.testing.assert_array_equal(grad_logits, 0)


@all_forms
def test_weight_of_zero_takes_no_part(rng, L, dtype, atol):
    z, loc, logvar, logits = problems.random_problem(rng, L=L)
    logits[2] = -np.inf
    tensors = problems.as_tensors((z, loc, logvar, logits), dtype)
    kept = [0, 1, 3, 4]
    others = problems.as_tensors((z, loc[kept], logvar[kept], logits[kept]), dtype)
    atol = 1e-12 if dtype == tf.float64 else atol
    np.testing.assert_allclose(mixture.log_prob(*tensors), mixture.log_prob(*others), atol=atol)
    np.testing.assert_array_equal(mixture.responsibilities(*tensors)[:, 2], 0)
    function = mixture.log_prob_and_mean_responsibilities
    grad_z, *grad_parameters = problems.gradients(function, tensors, 1.0, np.arange(5.0))
    assert np.isfinite(grad_z).all()
    for gradient in grad_parameters:
        np.testing.assert_array_equal(gradient[2], 0)
        assert np.isfinite(gradient).all() and np.any(gradient)


def test_batch_dimensions(rng, L, dtype, atol):
    z, *parameters = problems.as_tensors(problems.random_problem(rng, N=24, L=L), dtype)
    batched = tf.reshape(z, (2, 3, 4, L))
    density, values = mixture.log_prob_and_responsibilities(batched, *parameters)
    wanted_density, wanted = problems.tfp_values(*in_float64([z, *parameters]))
    np.testing.assert_allclose(tf.reshape(density, [-1]), wanted_density, atol=atol)
    assert values.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(tf.reshape(values, (24, 5)), wanted, atol=atol)
    density, mean = mixture.log_prob_and_mean_responsibilities(batched, *parameters)
    assert density.shape == (2, 3, 4)
    wanted_mean = tf.reduce_mean(tf.reshape(wanted, (2, 3, 4, 5)), axis=2)
    np.testing.assert_allclose(mean, wanted_mean, atol=atol)


def graph(function, L):
    return tf.function(function)


def graph_of_any_batch(function, L):
    specs = [tf.TensorSpec(s) for s in ((None, L), (5, L), (5, L), (5,))]
    return tf.function(function, input_signature=specs)


def graph_of_any_size(function, L):
    specs = [tf.TensorSpec(s) for s in ((None, None), (None, None), (None, None), (None,))]
    return tf.function(function, input_signature=specs)


def compile_with_xla(function, L):
    return tf.function(function, jit_compile=True)


def values_and_gradients(*args):
    with tf.GradientTape() as tape:
        tape.watch(args)
        density, mean = mixture.log_prob_and_mean_responsibilities(*args)
        total = tf.reduce_sum(density) + tf.reduce_sum(mean**2)
    return density, mean, *tape.gradient(total, args)


@pytest.mark.parametrize(
    "context", [graph, graph_of_any_batch, graph_of_any_size, compile_with_xla]
)
def test_same_in_every_context(rng, context, L):
    tensors = problems.as_tensors(problems.random_problem(rng, L=L), tf.float32)
    wanted = values_and_gradients(*tensors)
    for a, w in zip(context(values_and_gradients, L)(*tensors), wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["paired_resident"], indirect=True)
def test_programs_for_gpus_in_a_graph_of_any_size_that_is_compiled(rng, L):
    tensors = problems.as_tensors(problems.random_problem(rng, L=L), tf.float32)
    wanted = values_and_gradients(*tensors)
    compiled = graph_of_any_size(tf.function(values_and_gradients, jit_compile=True), L)
    for a, w in zip(compiled(*tensors), wanted, strict=True):
        np.testing.assert_allclose(a, w, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_under_mirrored_strategy(rng, platform):
    log_prob = functools.partial(mixture.log_prob, platform=platform)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    tensors = problems.as_tensors(problems.random_problem(rng), tf.float32)
    wanted = problems.gradients(log_prob, tensors, 1.0)

    @tf.function
    def step():
        def replica():
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                total = tf.reduce_sum(log_prob(*tensors))
            return tape.gradient(total, tensors)

        return strategy.run(replica)

    for replicas, w in zip(step(), wanted, strict=True):
        for a in strategy.experimental_local_results(replicas):
            np.testing.assert_allclose(a, w, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_low_precision_is_computed_in_float32(rng, dtype):
    low = problems.as_tensors(problems.random_problem(rng), dtype)
    same = [tf.cast(t, tf.float32) for t in low]
    density = mixture.log_prob(*low)
    assert density.dtype == tf.float32
    np.testing.assert_array_equal(density, mixture.log_prob(*same))
    grad_low = problems.gradients(mixture.log_prob, low, 1.0)
    for a, w in zip(grad_low, problems.gradients(mixture.log_prob, same, 1.0), strict=True):
        np.testing.assert_array_equal(a, tf.cast(w, dtype))


def test_only_what_is_asked_for_is_computed(rng):
    """A graph that needs the gradient at z alone does not run the parameters' program."""
    z, *parameters = problems.as_tensors(problems.random_problem(rng), tf.float32)

    @tf.function
    def gradient_at_samples(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            density = mixture.log_prob(z, *map(tf.stop_gradient, parameters))
        return tape.gradient(density, z)

    nodes = gradient_at_samples.get_concrete_function(z).graph.get_operations()
    calls = [n.type for n in nodes if "PartitionedCall" in n.type]
    # Stateless calls are what TensorFlow may drop when nothing reads them.
    assert calls and set(calls) == {"PartitionedCall"}


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (2, 3), (2, 3), (2,)],
        [(), (2, 3), (2, 3), (2,)],
        [(4, 2), (2, 3), (2, 3), (2,)],
        [(4, 3), (2, 3), (2, 4), (2,)],
        [(4, 3), (2, 3), (5, 3), (2,)],
        [(4, 3), (2, 3), (2, 3), (5,)],
    ],
)
def test_shapes_are_checked(shapes):
    with pytest.raises(ValueError, match=r"expected z \[..., N, L\]"):
        mixture.log_prob(*map(tf.zeros, shapes))


def test_unknown_sizes_are_taken_from_the_other_arguments(rng):
    z, *parameters = problems.as_tensors(problems.random_problem(rng, L=2), tf.float32)
    unknown = tf.function(
        mixture.log_prob,
        input_signature=[tf.TensorSpec((None, None))] * 3 + [tf.TensorSpec((None,))],
    )
    known_loc = tf.function(
        lambda z: mixture.log_prob(z, *parameters),
        input_signature=[tf.TensorSpec((None, None))],
    )
    wanted = mixture.log_prob(z, *parameters)
    np.testing.assert_allclose(unknown(z, *parameters), wanted, rtol=1e-5)
    np.testing.assert_allclose(known_loc(z), wanted, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_no_samples(rng, jit_compile, L):
    _, *parameters = problems.as_tensors(problems.random_problem(rng, L=L), tf.float32)
    functions = (
        mixture.log_prob,
        mixture.log_prob_and_responsibilities,
        mixture.log_prob_and_mean_responsibilities,
    )
    for function in functions:
        tensors = [tf.zeros((0, L)), *parameters]
        outputs = tf.nest.flatten(function(*tensors, jit_compile=jit_compile))
        assert outputs[0].shape == (0,)
        grad_z, *others = problems.gradients(
            lambda *args, f=function: tf.nest.flatten(f(*args, jit_compile=jit_compile))[0],
            tensors,
            1.0,
        )
        assert grad_z.shape == (0, L)
        assert all(np.all(gradient == 0) for gradient in others)
