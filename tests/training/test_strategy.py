"""Training over replicas: the gradients of one device, the batches of one stream."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support.cases import BATCH_SIZE, Case, data
from tests.support.gradients import assert_same_gradients, gradients
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.errors import UserError
from tf_sintrovae.kernels import platforms
from tf_sintrovae.training import strategy
from tf_sintrovae.training.checkpoints import Checkpoints
from tf_sintrovae.training.divergence import DivergenceError
from tf_sintrovae.training.loop import validation_batches


@pytest.fixture(scope="module")
def two_replicas():
    # One strategy object for the process: a second one does not work.
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    return strategy.mirrored_strategy(cpus[:2])


@pytest.mark.parametrize(
    ("network", "stage", "dtype"),
    [
        ("points", "vae", "float32"),
        ("points", "introspective", "float32"),
        ("small_images", "vae", "float32"),
        # A minute to trace over two replicas; points have the same game, the VAE the same batch norm.
        pytest.param("small_images", "introspective", "float32", marks=pytest.mark.slow),
        pytest.param("small_images", "vae", "float64", marks=pytest.mark.slow),
        pytest.param("small_images", "introspective", "float64", marks=pytest.mark.slow),
    ],
)
def test_two_replicas_give_the_gradients_of_one_device(network, stage, dtype, two_replicas):
    """On the same global batch and noise, regulariser on; images with synchronised batch norm."""
    case = Case(network, "mixture")
    assert_same_gradients(case, stage, gradients(case, stage, two_replicas, dtype), dtype)


def test_what_is_not_finite_on_one_replica_is_noted_and_never_saved(two_replicas, tmp_path):
    """The second replica's half of the second batch is infinite."""
    x = data((2,), 2 * BATCH_SIZE)
    bad = x.copy()
    bad[BATCH_SIZE:] = np.inf
    with two_replicas.scope():
        model = Case("points", "mixture").model(scale=1e-3)
        model.compile(*[keras.optimizers.SGD(1e-2) for _ in range(3)])
        checkpoints = Checkpoints(model, tmp_path)
        for batch in (x, bad):
            stream = tf.data.Dataset.from_tensors(batch).repeat()
            model.fit(stream, steps_per_epoch=1, verbose=0, shuffle=False)
            if model.divergence is None:
                checkpoints.save()
        assert model.divergence[0] == 2
        with pytest.raises(DivergenceError, match="diverged at step 2"):
            checkpoints.save()
        assert checkpoints._finite.bad_groups()
        assert checkpoints.restore() == 1
        assert not checkpoints._finite.bad_groups()
    assert np.isfinite(model.encoder.get_weights()[0]).all()


def test_replicas_get_the_rows_of_the_global_batch_in_order(two_replicas):
    config = Config(dataset="digits", batch_size=6)
    source = registry.load("digits")
    (whole, _) = next(iter(source.train_batches(6, config.seed, 5)))
    distributed = strategy.training_batches(source, config, two_replicas, 5)
    with two_replicas.scope():
        values = next(iter(distributed)).values
    np.testing.assert_array_equal(tf.concat(values, axis=0), whole)


def test_no_pipeline_is_tuned_while_it_runs():
    """Whoever gives up one that is may wait for TensorFlow's thread of tuning, up to a minute."""
    for name in ("digits", "8gaussians"):
        source, config = registry.load(name), Config(dataset=name, batch_size=6)
        batches = strategy.training_batches(source, config, tf.distribute.get_strategy(), 0)
        for each in (batches, validation_batches(source, 6)):
            assert not each.options().autotune.enabled


def test_nor_is_what_copies_batches_to_replicas(two_replicas):
    config = Config(dataset="digits", batch_size=6)
    batches = strategy.training_batches(registry.load("digits"), config, two_replicas, 0)
    copies = iter(batches)._iterators[0]._iterator._device_iterators
    assert len(copies) == 2
    for each in copies:
        assert not each._dataset.options().autotune.enabled


def test_batch_size_must_be_shared_evenly(two_replicas, monkeypatch):
    monkeypatch.setattr(strategy, "_strategy", lambda name: two_replicas)
    with pytest.raises(UserError, match="batch_size=5 cannot be shared by 2 replicas"):
        strategy.choose_strategy(Config(batch_size=5))


def test_what_was_chosen_is_said(two_replicas):
    assert strategy.describe(two_replicas) == "strategy mirrored: 2 CPUs of this machine"
    assert strategy.describe(tf.distribute.get_strategy()) == "strategy single: one CPU"


def test_xla_is_refused_over_replicas_and_off_on_cpus(two_replicas):
    config = Config(jit_compile="true")
    with pytest.raises(UserError, match="jit_compile=true"):
        strategy.use_xla(config, two_replicas)
    one = tf.distribute.get_strategy()
    assert strategy.use_xla(config, one)
    assert not strategy.use_xla(dataclasses.replace(config, jit_compile="auto"), one)


@pytest.mark.parametrize(("num_gpus", "compiled"), [(0, False), (1, True)])
def test_auto_compiles_the_whole_step_on_one_gpu(num_gpus, compiled, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU"] * num_gpus)
    one = tf.distribute.get_strategy()
    assert strategy.use_xla(Config(jit_compile="auto"), one) == compiled
    assert not strategy.use_xla(Config(jit_compile="false"), one)


def test_auto_compiles_no_step_that_spans_replicas(two_replicas, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU"] * 2)
    assert not strategy.use_xla(Config(jit_compile="auto"), two_replicas)


def test_over_replicas_the_mixture_and_the_noise_compile_and_nothing_else(two_replicas):
    with two_replicas.scope(), platforms.use_platform("gpu"):
        model = Case("points", "mixture").model()
        model.compile(*[keras.optimizers.SGD(1e-2) for _ in range(3)])
        model.stage = "introspective"  # which draws from the prior
        x = tf.constant(data((2,), BATCH_SIZE))
        step = tf.function(lambda: two_replicas.run(model.train_step, args=((x,),)))
        graph = step.get_concrete_function().graph
    compiled = [
        function.signature.name
        for function in graph.as_graph_def().library.function
        if function.attr["_XlaMustCompile"].b
    ]
    names = ("forward", "grad_z", "grad_parameters", "sum_rows", "normal_blocks")
    assert {name for name in names if any(name in one for one in compiled)} == set(names)
    assert all(any(name in one for name in names) for one in compiled), compiled


@pytest.fixture
def tensor_float_32():
    """Whether TensorFlow may round products to TF32, put back after the test."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield tf.config.experimental.tensor_float_32_execution_enabled
    tf.config.experimental.enable_tensor_float_32_execution(before)


@pytest.mark.parametrize(("precision", "allowed"), [("highest", False), ("tf32", True)])
def test_precision_reaches_tensorflow(precision, allowed, tensor_float_32):
    tf.config.experimental.enable_tensor_float_32_execution(not allowed)
    strategy.set_up_runtime(Config(precision=precision, deterministic=False))
    assert tensor_float_32() == allowed


def test_auto_on_one_device_is_the_default_strategy():
    assert strategy.choose_strategy(Config()) is tf.distribute.get_strategy()
