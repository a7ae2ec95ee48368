"""For which platform a call's program is made."""

import numpy as np
import pytest
import tensorflow as tf

from tests.kernels import problems
from tf_sintrovae.distributions import DiagonalGaussianMixture
from tf_sintrovae.kernels import mixture, platforms, programs


@pytest.mark.parametrize(("devices", "wanted"), [([], "cpu"), (["GPU:0"], "gpu")])
def test_default_is_what_tensorflow_sees(devices, wanted, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    assert platforms.default_platform() == wanted


def test_default_may_be_set_for_a_while():
    with platforms.use_platform("gpu"):
        with platforms.use_platform("cpu"):
            assert platforms.default_platform() == "cpu"
        assert platforms.default_platform() == "gpu"
    assert platforms.default_platform() == "cpu"


@pytest.mark.parametrize("platform", ["tpu", "any"])
def test_other_names_are_refused(platform, tensors):
    with pytest.raises(ValueError, match="expected platform 'cpu' or 'gpu'"):
        mixture.log_prob(*tensors, platform=platform)


@pytest.fixture
def taken(monkeypatch):
    """Form and platform of every forward program that is called, in order."""
    calls = []
    forward = programs.forward

    def note(*inputs, **options):
        calls.append((options["form"], options["platform"]))
        return forward(*inputs, **options)

    monkeypatch.setattr(programs, "forward", note)
    return calls


@pytest.fixture
def tensors():
    return problems.as_tensors(problems.random_problem(np.random.default_rng(0), L=2), tf.float32)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"platform": "gpu"}, ("paired_resident", "gpu")),
        ({"platform": "cpu"}, ("direct", "cpu")),
        ({}, ("direct", "cpu")),
        ({"platform": "gpu", "jit_compile": False}, ("resident", "any")),
    ],
)
def test_form_of_a_call(arguments, wanted, tensors, taken):
    """Pairs for GPUs; without compilation one form, in float64, that runs anywhere."""
    mixture.log_prob(*tensors, **arguments)
    assert taken == [wanted]


def test_priors_follow_the_default(tensors, taken):
    z, *parameters = tensors
    with platforms.use_platform("gpu"):
        DiagonalGaussianMixture(*parameters).log_prob(z)
    assert taken == [("paired_resident", "gpu")]


def test_uncompiled_graph_has_no_conditional_and_no_product_in_float32():
    """On a GPU the one would wait for the host, and the other may be rounded as TF32."""
    specs = [tf.TensorSpec(shape) for shape in ((None, 8), (5, 8), (5, 8), (5,))]
    function = tf.function(lambda *args: mixture.log_prob(*args, jit_compile=False))
    operations = function.get_concrete_function(*specs).graph.get_operations()
    assert not [op.type for op in operations if "If" in op.type or "Case" in op.type]
    products = [op for op in operations if "MatMul" in op.type]
    assert products and all(op.outputs[0].dtype == tf.float64 for op in products)
