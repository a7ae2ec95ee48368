"""A trained model as functions of tensors: the signatures of docs/evaluation.md.

The prior travels as numbers, the networks as variables, each stored once. For the VampPrior the numbers are
the posteriors at its pseudo-inputs, normalised by the statistics of these alone, as in training. Images are
clipped to [0, 1] on their way out. Batch norm is in inference mode otherwise.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tf_sintrovae import objectives
from tf_sintrovae.kernels import mixture
from tf_sintrovae.model import SoftIntroVAE

Outputs = dict[str, tf.Tensor]


class Servable(tf.Module):
    """A trained model as a set of functions of tensors; the same before and after it is saved.

    The prior's parameters are those of the moment of construction; the networks' variables stay shared with
    the model.

    Args:
        model: trained model.
        clip_images: limits of decoded values, `(0, 1)` for images, or None.
    """

    def __init__(self, model: SoftIntroVAE, clip_images: tuple[float, float] | None = None) -> None:
        super().__init__(name="soft_intro_vae")
        loc, logvar, log_weights = _prior(model)
        self._loc = tf.Variable(loc, trainable=False, name="prior_loc")
        self._logvar = tf.Variable(logvar, trainable=False, name="prior_logvar")
        self._log_weights = tf.Variable(log_weights, trainable=False, name="prior_log_weights")
        # Held as plain variables: holding the Keras models would store every weight a second time.
        self._network_variables = [
            variable.value for variable in (*model.encoder.variables, *model.decoder.variables)
        ]
        self._signatures = tf.Module()  # keeps the functions out of the module's own attributes
        prior = (self._loc, self._logvar, self._log_weights)
        self._functions = _Functions(model, prior, clip_images).compile()

    def update(self, model: SoftIntroVAE) -> None:
        """Takes the prior's parameters anew from the model, which is the one it was made of."""
        held = (self._loc, self._logvar, self._log_weights)
        for variable, value in zip(held, _prior(model), strict=True):
            variable.assign(value)

    @property
    def signatures(self) -> Mapping[str, Callable[..., Outputs]]:
        """The functions by name, called with keyword arguments as those of a loaded SavedModel."""
        return dict(self._functions)


def _prior(model: SoftIntroVAE) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A model's prior as it is: `loc`, `logvar` [K, L] and `log_weights` [K]."""
    loc, logvar, logits = model.prior.parameters(model.encoder)
    return loc, logvar, tf.nn.log_softmax(logits)


class LiveServable:
    """The servable of one model in training, as it is at each call; its functions are traced once.

    Args:
        clip_images: as `Servable` has it.
    """

    def __init__(self, clip_images: tuple[float, float] | None = None) -> None:
        self._clip_images = clip_images
        self._servable: Servable | None = None

    def __call__(self, model: SoftIntroVAE) -> Servable:
        """The servable, valid until the next call."""
        if self._servable is None:
            self._servable = Servable(model, self._clip_images)
        else:
            self._servable.update(model)
        return self._servable


class _Functions:
    """What the signatures compute.

    Args:
        model: trained model.
        prior: variables `loc`, `logvar` [K, L] and `log_weights` [K].
        clip: limits of decoded values, or None.
    """

    def __init__(
        self,
        model: SoftIntroVAE,
        prior: tuple[tf.Variable, tf.Variable, tf.Variable],
        clip: tuple[float, float] | None,
    ) -> None:
        self._encoder, self._decoder = model.encoder, model.decoder
        self._shape, self._latent_dim = model.example_shape, model.latent_dim
        self._num_mc_samples = model.num_mc_samples
        self._prior, self._clip_limits = prior, clip

    def compile(self) -> dict[str, Any]:
        """Makes the signatures, functions with fixed names and types of their inputs."""
        x = tf.TensorSpec((None, *self._shape), tf.float32, name="x")
        z = tf.TensorSpec((None, self._latent_dim), tf.float32, name="z")
        seed = tf.TensorSpec((2,), tf.int32, name="seed")
        count = tf.TensorSpec((), tf.int32, name="num_samples")
        specs: dict[str, tuple[Callable, list[tf.TensorSpec]]] = {
            "encode": (self.encode, [x]),
            "decode": (self.decode, [z]),
            "sample": (self.sample, [count, seed]),
            "responsibilities": (self.responsibilities, [z]),
            "score": (self.score, [x, seed]),
            "prior": (self.prior, []),
        }
        if self._clip_limits is not None:
            specs["decode_unclipped"] = (self.decode_unclipped, [z])
        if self._decoder.non_trainable_variables:  # batch norm's
            specs["sample_batch_statistics"] = (self.sample_batch_statistics, [count, seed])
        functions = {name: tf.function(f, input_signature=s) for name, (f, s) in specs.items()}
        return functions | {"serving_default": functions["encode"]}

    def encode(self, x: tf.Tensor) -> Outputs:
        """Computes the posterior of examples [B, *shape]."""
        mean, logvar = self._encoder(x, training=False)
        return {"mean": mean, "logvar": logvar}

    def decode(self, z: tf.Tensor) -> Outputs:
        """Decodes latent vectors [B, L]."""
        return {"x": self._clip(self._decoder(z, training=False))}

    def decode_unclipped(self, z: tf.Tensor) -> Outputs:
        """Decodes latent vectors [B, L] to the decoder's mean as it is."""
        return {"x": self._decoder(z, training=False)}

    def sample(self, num_samples: tf.Tensor, seed: tf.Tensor) -> Outputs:
        """Draws samples of the model."""
        z, component = self._sample_prior(num_samples, seed)
        return {
            "x": self._clip(self._decoder(z, training=False)),
            "z": z,
            "component": component,
        }

    def sample_batch_statistics(self, num_samples: tf.Tensor, seed: tf.Tensor) -> Outputs:
        """Draws samples whose decoder normalises by the statistics of their batch."""
        z, component = self._sample_prior(num_samples, seed)
        # A stateless call gives the new moving statistics back instead of storing them.
        trained = [v.value for v in self._decoder.trainable_variables]
        others = [v.value for v in self._decoder.non_trainable_variables]
        x, _ = self._decoder.stateless_call(trained, others, z, training=True)
        return {"x": self._clip(x), "z": z, "component": component}

    def responsibilities(self, z: tf.Tensor) -> Outputs:
        """Computes p(k|z) and the prior's log-density of latent vectors [B, L]."""
        # Not compiled here: a compiled kernel would compile again for each batch size of its user.
        log_prob, values = mixture.log_prob_and_responsibilities(
            z, *self._parameters(), jit_compile=False
        )
        return {"responsibilities": values, "log_prob": log_prob}

    def score(self, x: tf.Tensor, seed: tf.Tensor) -> Outputs:
        """Estimates the ELBO of examples [B, *shape], in nats."""
        mean, logvar = self._encoder(x, training=False)
        noise_shape = (self._num_mc_samples, tf.shape(x)[0], self._latent_dim)
        eps = tf.random.stateless_normal(noise_shape, seed, alg="philox")
        z = objectives.posterior_samples(mean, logvar, eps)
        log_prob = mixture.log_prob(z, *self._parameters(), jit_compile=False)
        kl = objectives.monte_carlo_kl(logvar, eps, log_prob)
        # One decoded sample an example: without bias, and a hundred times cheaper than decoding all.
        decoded = self._decoder(objectives.reparameterize(mean, logvar, eps[0]), training=False)
        error = objectives.reconstruction_error(x, decoded)
        constant = 0.5 * math.prod(self._shape) * math.log(2.0 * math.pi)
        return {"elbo": -(0.5 * error + constant + kl), "kl": kl, "reconstruction_error": error}

    def prior(self) -> Outputs:
        """Returns the prior's parameters."""
        names = ("loc", "logvar", "log_weights")
        return dict(zip(names, map(tf.identity, self._prior), strict=True))

    def _parameters(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        loc, logvar, log_weights = map(tf.convert_to_tensor, self._prior)
        return loc, logvar, log_weights

    def _sample_prior(self, num_samples: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Latent vectors [B, L] and the component [B] that each came from."""
        loc, logvar, log_weights = self._parameters()
        return mixture.sample(num_samples, loc, logvar, log_weights, seed)

    def _clip(self, x: tf.Tensor) -> tf.Tensor:
        return x if self._clip_limits is None else tf.clip_by_value(x, *self._clip_limits)
