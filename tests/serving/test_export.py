"""The SavedModel: same numbers as the model, in a process that has TensorFlow alone."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.support.cases import LATENT_DIM, NUM_COMPONENTS, QUICK_CASES, Case, data
from tf_sintrovae.serving import export

SIGNATURES = {"encode", "decode", "sample", "responsibilities", "score", "prior", "serving_default"}
SEED = tf.constant([3, 5])


def signatures_of(case):
    """The signatures of a case exported with limits of decoded values."""
    more = {"decode_unclipped"} | (
        {"sample_batch_statistics"} if case.networks == "images" else set()
    )
    return SIGNATURES | more


def trained_statistics(model):
    """Batch-norm statistics away from their initial values."""
    for network in (model.encoder, model.decoder):
        for i, variable in enumerate(network.non_trainable_variables):
            variable.assign(variable + 0.1 * (i + 1))
    return model


def call_all(signatures, shape):
    x = tf.constant(data(shape, 5))
    z = tf.constant(np.random.default_rng(1).normal(size=(4, LATENT_DIM)).astype(np.float32))
    calls = {
        "encode": {"x": x},
        "serving_default": {"x": x},
        "decode": {"z": z},
        "sample": {"num_samples": tf.constant(6), "seed": SEED},
        "responsibilities": {"z": z},
        "score": {"x": x, "seed": SEED},
        "prior": {},
        "decode_unclipped": {"z": z},
        "sample_batch_statistics": {"num_samples": tf.constant(6), "seed": SEED},
    }
    return {
        (name, output): value.numpy()
        for name, arguments in calls.items()
        if name in signatures
        for output, value in signatures[name](**arguments).items()
    }


@pytest.fixture(scope="module", params=QUICK_CASES, ids=str)
def exported(request, tmp_path_factory):
    """A case, its model, and the folder of its export."""
    path = tmp_path_factory.mktemp("export") / "saved_model"
    model = trained_statistics(request.param.model())
    export.export(model, path, clip_images=(0.0, 1.0), info={"dataset": "noise"})
    return request.param, model, path


def test_loaded_signatures_equal_the_servable(exported):
    case, model, path = exported
    loaded = tf.saved_model.load(str(path))
    assert set(loaded.signatures) == signatures_of(case)
    before = call_all(export.Servable(model, (0.0, 1.0)).signatures, case.shape)
    after = call_all(loaded.signatures, case.shape)
    assert set(before) == set(after)
    for key, value in before.items():
        np.testing.assert_allclose(after[key], value, atol=1e-6, rtol=1e-6, err_msg=str(key))


def test_signatures_equal_the_model_in_memory(exported):
    case, model, path = exported
    values = call_all(tf.saved_model.load(str(path)).signatures, case.shape)
    x = tf.constant(data(case.shape, 5))
    mean, logvar = model.encoder(x, training=False)
    np.testing.assert_allclose(values["encode", "mean"], mean, atol=1e-6)
    np.testing.assert_allclose(values["encode", "logvar"], logvar, atol=1e-6)
    decoded = model.decoder(values["sample", "z"], training=False)
    np.testing.assert_allclose(values["sample", "x"], np.clip(decoded, 0.0, 1.0), atol=1e-6)
    loc, logvar, logits = model.prior.parameters(model.encoder)
    np.testing.assert_allclose(values["prior", "loc"], loc, atol=1e-6)
    np.testing.assert_allclose(values["prior", "logvar"], logvar, atol=1e-6)
    np.testing.assert_allclose(values["prior", "log_weights"], tf.nn.log_softmax(logits), atol=1e-6)
    components = 1 if case.prior == "standard_normal" else NUM_COMPONENTS
    assert values["responsibilities", "responsibilities"].shape == (4, components)
    np.testing.assert_allclose(values["responsibilities", "responsibilities"].sum(-1), 1, rtol=1e-5)


def test_score_is_the_elbo_of_a_unit_variance_gaussian_decoder(exported):
    case, _, path = exported
    values = call_all(tf.saved_model.load(str(path)).signatures, case.shape)
    error, kl = values["score", "reconstruction_error"], values["score", "kl"]
    constant = 0.5 * math.prod(case.shape) * math.log(2 * math.pi)
    np.testing.assert_allclose(values["score", "elbo"], -(0.5 * error + constant + kl), rtol=1e-5)


def test_loads_where_only_tensorflow_is_imported(tmp_path):
    case, path = Case("images", "mixture"), tmp_path / "saved_model"
    model = trained_statistics(case.model())
    export.export(model, path)
    program = f"""
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load({str(path)!r})
x = tf.constant(np.full((2, *{case.shape!r}), 0.5, np.float32))
mean = model.signatures["encode"](x=x)["mean"]
print(",".join(map(repr, mean.numpy().ravel().tolist())))
print([n for n in ("tf_sintrovae", "tensorflow_probability", "tf_keras") if n in sys.modules])
"""
    folder = path.parent  # not the repository: its packages must not be importable by accident
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    numbers, loaded = done.stdout.splitlines()
    expected = model.encoder(np.full((2, *case.shape), 0.5, np.float32), training=False)[0]
    np.testing.assert_allclose(
        [float(n) for n in numbers.split(",")], expected.numpy().ravel(), atol=1e-6
    )
    assert loaded == "[]"


def test_every_weight_is_stored_once(exported):
    _, model, path = exported
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    stored = sum(
        math.prod(shape)
        for name, shape in reader.get_variable_to_shape_map().items()
        if "CHECKPOINTABLE" not in name
    )
    prior = model.prior.num_components * (2 * LATENT_DIM + 1)
    counts = [
        math.prod(v.shape) for network in (model.encoder, model.decoder) for v in network.variables
    ]
    assert stored == sum(counts) + prior


def test_any_batch_size_and_no_compilation():
    servable = export.Servable(Case("images", "mixture").model(), (0.0, 1.0))
    for count in (1, 3, 20):
        assert servable.signatures["encode"](x=tf.zeros((count, 8, 8, 1)))["mean"].shape[0] == count
    graph = servable.signatures["score"].get_concrete_function().graph
    functions = graph.as_graph_def().library.function
    assert not any(f.attr["_XlaMustCompile"].b for f in functions)


def test_decoded_images_are_clipped_and_points_are_not():
    model = Case("images", "mixture").model()
    model.decoder.get_layer("out").bias.assign([5.0])
    z = tf.zeros((1, LATENT_DIM))
    assert np.max(export.Servable(model, (0.0, 1.0)).signatures["decode"](z=z)["x"]) == 1.0
    assert np.max(export.Servable(model).signatures["decode"](z=z)["x"]) > 1.0
    unclipped = export.Servable(model, (0.0, 1.0)).signatures["decode_unclipped"]
    assert np.max(unclipped(z=z)["x"]) > 1.0


def test_samples_with_batch_statistics_leave_the_moving_ones_alone():
    model = trained_statistics(Case("images", "mixture").model())
    before = [v.numpy() for v in model.decoder.non_trainable_variables]
    signatures = export.Servable(model).signatures
    drawn = signatures["sample_batch_statistics"](num_samples=6, seed=SEED)
    for variable, value in zip(model.decoder.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    ordinary = signatures["sample"](num_samples=6, seed=SEED)
    np.testing.assert_array_equal(drawn["z"], ordinary["z"])
    assert np.abs(drawn["x"] - ordinary["x"]).max() > 1e-2
    np.testing.assert_allclose(drawn["x"], model.decoder(drawn["z"], training=True), atol=1e-5)


def test_size_is_that_of_the_files(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"12345")
    (tmp_path / "variables" / "index").write_bytes(b"678")
    assert export.size_bytes(tmp_path) == 8


def test_wrong_shapes_get_tensorflows_own_error(exported):
    _, _, path = exported
    encode = tf.saved_model.load(str(path)).signatures["encode"]
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)):
        encode(x=tf.zeros((2, 5, 5, 5, 5)))


def test_a_second_export_replaces_the_first_and_info_travels_along(tmp_path):
    model = Case("points", "mixture").model()
    path = tmp_path / "saved_model"
    for dataset in ("first", "second"):
        export.export(model, path, info={"dataset": dataset})
    info = json.loads((path / export.INFO_FILE).read_text())
    assert info["dataset"] == "second"
    assert info["shape"] == [2]
    assert info["latent_dim"] == LATENT_DIM
    assert info["versions"]["tensorflow"] == tf.__version__
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved_model"]


@pytest.mark.parametrize("part", ["_save", "_write_info"])
def test_an_export_that_is_interrupted_leaves_the_previous_one_alone(tmp_path, monkeypatch, part):
    model, path = Case("points", "standard_normal").model(), tmp_path / "saved_model"
    export.export(model, path, info={"dataset": "first"})
    original = getattr(export, part)

    def interrupted(*arguments):
        original(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(export, part, interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.export(model, path, info={"dataset": "second"})
    assert json.loads((path / export.INFO_FILE).read_text())["dataset"] == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved_model"]


def test_saved_model_cli_runs_every_network(tmp_path):
    path = tmp_path / "saved_model"
    export.export(trained_statistics(Case("images", "mixture").model()), path)
    np.save(tmp_path / "x.npy", data((8, 8, 1), 2))
    done = subprocess.run(
        [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run", "--dir", str(path)]
        + ["--tag_set", "serve", "--signature_def", "encode", "--inputs", f"x={tmp_path}/x.npy"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Result for output key mean" in done.stdout
