"""The SavedModel: what other programs load, with TensorFlow alone.

The prior travels as numbers (for the VampPrior, the posteriors at its pseudo-inputs), the networks as
variables, each stored once. Images are clipped to [0, 1] on their way out. Batch norm is in inference mode.
"""

import json
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_sintrovae import files, objectives
from tf_sintrovae.kernels import mixture
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.serving import saved_model
from tf_sintrovae.versions import versions

INFO_FILE = saved_model.INFO_FILE


class Servable(tf.Module):
    """A trained model as a set of functions of tensors; the same before and after it is saved.

    The prior's parameters are those of the moment of construction; the networks' variables stay shared with
    the model.

    Args:
        model: trained model.
        clip_images: limits of decoded values, `(0, 1)` for images, or None.
    """

    def __init__(self, model: SoftIntroVAE, clip_images: tuple[float, float] | None = None):
        super().__init__(name="soft_intro_vae")
        loc, logvar, logits = model.prior.parameters(model.encoder)
        self._loc = tf.Variable(loc, trainable=False, name="prior_loc")
        self._logvar = tf.Variable(logvar, trainable=False, name="prior_logvar")
        self._log_weights = tf.Variable(
            tf.nn.log_softmax(logits), trainable=False, name="prior_log_weights"
        )
        # Held as plain variables: holding the Keras models would store every weight a second time.
        self._network_variables = [
            variable.value for variable in (*model.encoder.variables, *model.decoder.variables)
        ]
        self._signatures = tf.Module()  # keeps the functions out of the module's own attributes
        self._functions = _functions(self, model, clip_images)

    @property
    def signatures(self) -> Mapping[str, Callable[..., dict[str, tf.Tensor]]]:
        """The functions by name, called with keyword arguments as those of a loaded SavedModel."""
        return dict(self._functions)


def _functions(servable: Servable, model: SoftIntroVAE, clip) -> dict[str, Any]:
    """The signatures of docs/evaluation.md as concrete functions."""
    shape = model.example_shape
    latent_dim, num_mc_samples = model.latent_dim, model.num_mc_samples
    encoder, decoder = model.encoder, model.decoder
    x_spec = tf.TensorSpec((None, *shape), tf.float32, name="x")
    z_spec = tf.TensorSpec((None, latent_dim), tf.float32, name="z")
    seed_spec = tf.TensorSpec((2,), tf.int32, name="seed")
    count_spec = tf.TensorSpec((), tf.int32, name="num_samples")
    # Not compiled here: a compiled kernel would compile again for each batch size of its user.
    prior = (servable._loc, servable._logvar, servable._log_weights)

    def encode(x):
        mean, logvar = encoder(x, training=False)
        return {"mean": mean, "logvar": logvar}

    def clipped(x):
        return x if clip is None else tf.clip_by_value(x, *clip)

    def decode(z):
        return {"x": clipped(decoder(z, training=False))}

    def decode_unclipped(z):
        return {"x": decoder(z, training=False)}

    def sample(num_samples, seed):
        z, component = mixture.sample(num_samples, *map(tf.convert_to_tensor, prior), seed)
        return {"x": clipped(decoder(z, training=False)), "z": z, "component": component}

    def sample_batch_statistics(num_samples, seed):
        z, component = mixture.sample(num_samples, *map(tf.convert_to_tensor, prior), seed)
        # A stateless call gives the new moving statistics back instead of storing them.
        values = [[v.value for v in kind] for kind in _variables(decoder)]
        x, _ = decoder.stateless_call(*values, z, training=True)
        return {"x": clipped(x), "z": z, "component": component}

    def responsibilities(z):
        log_prob, values = mixture.log_prob_and_responsibilities(
            z, *map(tf.convert_to_tensor, prior), jit_compile=False
        )
        return {"responsibilities": values, "log_prob": log_prob}

    def score(x, seed):
        mean, logvar = encoder(x, training=False)
        noise_shape = (num_mc_samples, tf.shape(x)[0], latent_dim)
        eps = tf.random.stateless_normal(noise_shape, seed, alg="philox")
        z = objectives.posterior_samples(mean, logvar, eps)
        log_prob = mixture.log_prob(z, *map(tf.convert_to_tensor, prior), jit_compile=False)
        kl = objectives.monte_carlo_kl(logvar, eps, log_prob)
        # One decoded sample an example: without bias, and a hundred times cheaper than decoding all.
        reconstruction = decoder(objectives.reparameterize(mean, logvar, eps[0]), training=False)
        error = objectives.reconstruction_error(x, reconstruction)
        constant = 0.5 * math.prod(shape) * math.log(2.0 * math.pi)
        return {"elbo": -(0.5 * error + constant + kl), "kl": kl, "reconstruction_error": error}

    def prior_parameters():
        return dict(zip(("loc", "logvar", "log_weights"), map(tf.identity, prior), strict=True))

    specs = {
        "encode": (encode, [x_spec]),
        "decode": (decode, [z_spec]),
        "sample": (sample, [count_spec, seed_spec]),
        "responsibilities": (responsibilities, [z_spec]),
        "score": (score, [x_spec, seed_spec]),
        "prior": (prior_parameters, []),
    }
    if clip is not None:
        specs["decode_unclipped"] = (decode_unclipped, [z_spec])
    if decoder.non_trainable_variables:  # batch norm's
        specs["sample_batch_statistics"] = (sample_batch_statistics, [count_spec, seed_spec])
    functions = {name: tf.function(f, input_signature=s) for name, (f, s) in specs.items()}
    return functions | {"serving_default": functions["encode"]}


def export(
    model: SoftIntroVAE,
    path: str | os.PathLike,
    *,
    clip_images: tuple[float, float] | None = None,
    info: Mapping[str, Any] | None = None,
) -> Servable:
    """Writes the SavedModel; a previous one is replaced only when the new one is complete.

    Args:
        model: trained model.
        path: folder to write.
        clip_images: limits of decoded values, `(0, 1)` for images, or None.
        info: further entries of `model_info.json` (settings, data set).

    Returns:
        The functions that were saved.

    Raises:
        UserError: the disk is full; a previous export is still there.
    """
    path = pathlib.Path(path)
    temporary = files.temporary_path(path)
    servable = Servable(model, clip_images)
    files.recover_folder(path)
    try:
        with files.full_disk_errors(path):
            _save(servable, temporary)
            _write_info(temporary, model_info(model) | dict(info or {}))
            files.replace_folder(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # of a failed export
    return servable


def _save(servable: Servable, path: pathlib.Path) -> None:
    # Gradients through an export are TensorFlow's own, of the functions' operations.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(
        servable, str(path), signatures=_concrete(servable.signatures), options=options
    )


def _write_info(path: pathlib.Path, info: Mapping[str, Any]) -> None:
    """Writes `model_info.json`, with the hashes by which damage to the other files is seen."""
    text = json.dumps(dict(info) | {"sha256": saved_model.hashes(path)}, indent=2)
    files.write_atomically(path / saved_model.INFO_FILE, text + "\n")


def model_info(model: SoftIntroVAE) -> dict[str, Any]:
    """What a user of the export may want to know: shapes, prior, step, versions."""
    return {
        "shape": list(model.example_shape),
        "latent_dim": model.latent_dim,
        "num_components": model.prior.num_components,
        "num_mc_samples": model.num_mc_samples,
        "prior": type(model.prior).__name__,
        "step": int(model.step.numpy()),
        "versions": versions(),
    }


def size_bytes(path: str | os.PathLike) -> int:
    """Bytes of all files of an export."""
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


def _variables(network):
    return network.trainable_variables, network.non_trainable_variables


def _concrete(signatures):
    return {name: function.get_concrete_function() for name, function in signatures.items()}
