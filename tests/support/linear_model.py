"""A linear-Gaussian VAE with the signatures of an export, whose posterior and evidence are known."""

import numpy as np
import tensorflow as tf
from scipy.stats import multivariate_normal

_LOG_2PI = float(np.log(2.0 * np.pi))


class LinearModel(tf.Module):
    """`z ~ N(0, I)`, `x | z ~ N(W z + b, I)`, `W` with orthogonal columns: the posterior is diagonal.

    Args:
        shape: shape of one example.
        latent_dim: L, at most the size of an example.
        scale: length of each column of W.
        widening: factor of the posterior's standard deviation; 1 is exact.
        offset: b of every value.
    """

    def __init__(self, shape, latent_dim=2, scale=1.5, widening=1.0, offset=0.0):
        super().__init__()
        self.shape, self.size = tuple(shape), int(np.prod(shape))
        generator = np.random.default_rng(0)
        columns = np.linalg.qr(generator.normal(size=(self.size, latent_dim)))[0]
        self.matrix, self.offset = scale * columns, np.full(self.size, offset)
        self._matrix = tf.Variable(self.matrix, dtype=tf.float32)
        self._precision = 1.0 + scale**2
        self._logvar = float(2.0 * np.log(widening) - np.log(self._precision))
        self.latent_dim = latent_dim
        self._holder = tf.Module()
        self._functions = self._trace()

    @property
    def signatures(self):
        """The functions by name, as those of a loaded SavedModel."""
        return dict(self._functions)

    def log_evidence(self, x) -> np.ndarray:
        """`log p(x)` [N] in closed form."""
        covariance = np.eye(self.size) + self.matrix @ self.matrix.T
        return multivariate_normal(self.offset, covariance).logpdf(x.reshape(len(x), -1))

    def save(self, path) -> None:
        """Writes a SavedModel."""
        concrete = {n: f.get_concrete_function() for n, f in self.signatures.items()}
        tf.saved_model.save(self, str(path), signatures=concrete)

    def _trace(self):
        x = tf.TensorSpec((None, *self.shape), tf.float32, name="x")
        z = tf.TensorSpec((None, self.latent_dim), tf.float32, name="z")
        seed = tf.TensorSpec((2,), tf.int32, name="seed")
        count = tf.TensorSpec((), tf.int32, name="num_samples")
        specs = {
            "encode": [x],
            "decode": [z],
            "sample": [count, seed],
            "responsibilities": [z],
            "score": [x, seed],
            "prior": [],
        }
        return {
            name: tf.function(getattr(self, f"_{name}"), input_signature=spec)
            for name, spec in specs.items()
        }

    def _encode(self, x):
        flat = tf.reshape(x, (-1, self.size)) - tf.constant(self.offset, tf.float32)
        mean = flat @ self._matrix / self._precision
        return {"mean": mean, "logvar": tf.fill(tf.shape(mean), self._logvar)}

    def _decode(self, z):
        x = tf.matmul(z, self._matrix, transpose_b=True) + tf.constant(self.offset, tf.float32)
        return {"x": tf.reshape(x, (-1, *self.shape))}

    def _sample(self, num_samples, seed):
        z = tf.random.stateless_normal((num_samples, self.latent_dim), seed, alg="philox")
        return {**self._decode(z), "z": z, "component": tf.zeros(num_samples, tf.int32)}

    def _responsibilities(self, z):
        log_prob = -0.5 * tf.reduce_sum(z**2 + _LOG_2PI, axis=1)
        return {"responsibilities": tf.ones((tf.shape(z)[0], 1)), "log_prob": log_prob}

    def _score(self, x, seed):
        mean, logvar = self._encode(x).values()
        eps = tf.random.stateless_normal(tf.shape(mean), seed, alg="philox")
        decoded = self._decode(mean + tf.exp(0.5 * logvar) * eps)["x"]
        error = tf.reduce_sum(tf.reshape((x - decoded) ** 2, (-1, self.size)), axis=1)
        kl = 0.5 * tf.reduce_sum(tf.exp(logvar) + mean**2 - 1.0 - logvar, axis=1)
        elbo = -(0.5 * error + 0.5 * self.size * _LOG_2PI + kl)
        return {"elbo": elbo, "kl": kl, "reconstruction_error": error}

    def _prior(self):
        zeros = tf.zeros((1, self.latent_dim))
        return {"loc": zeros, "logvar": zeros, "log_weights": tf.zeros(1)}
