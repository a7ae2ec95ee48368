"""The mixture prior as a TFP distribution whose densities and samples come from the kernels."""

import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability.python.internal import parameter_properties, samplers

from tf_sintrovae.kernels import mixture


class DiagonalGaussianMixture(tfd.MixtureSameFamily):
    """A mixture of K diagonal Gaussians over z [L]: `tfd.MixtureSameFamily` with fast kernels.

    Build it inside the gradient tape, from tensors: a variable given to a distribution that is built
    once would give stale values and no gradients.

    Args:
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights; -inf for a weight of zero.
        validate_args: whether TFP checks arguments when it runs.
        allow_nan_stats: whether TFP returns NaN for statistics that are not defined.
        name: name of the distribution's operations.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        logvar: tf.Tensor,
        logits: tf.Tensor,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiagonalGaussianMixture",
    ):
        parameters = dict(locals())
        with tf.name_scope(name) as name:
            self._loc = tf.convert_to_tensor(loc)
            self._logvar = tf.convert_to_tensor(logvar, self._loc.dtype)
            self._logits = tf.convert_to_tensor(logits, self._loc.dtype)
            super().__init__(
                tfd.Categorical(logits=self._logits),
                tfd.MultivariateNormalDiag(self._loc, tf.exp(0.5 * self._logvar)),
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                name=name,
            )
        self._parameters = self._no_dependency(parameters)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return dict(
            loc=parameter_properties.ParameterProperties(event_ndims=2),
            logvar=parameter_properties.ParameterProperties(event_ndims=2),
            logits=parameter_properties.ParameterProperties(event_ndims=1),
        )

    @property
    def loc(self) -> tf.Tensor:
        """[K, L] means."""
        return self._loc

    @property
    def logvar(self) -> tf.Tensor:
        """[K, L] log-variances."""
        return self._logvar

    @property
    def logits(self) -> tf.Tensor:
        """[K] unnormalised log weights."""
        return self._logits

    def _arguments(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return self._loc, self._logvar, self._logits

    def _log_prob(self, z):
        return _with_sample_axis(mixture.log_prob, z, *self._arguments())

    def log_prob_and_mean_responsibilities(
        self, z: tf.Tensor, mean_gradient: bool = True
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Log-density [..., N] of z [..., N, L] and the mean over N of its responsibilities [..., K].

        Args:
            z: [..., N, L] samples.
            mean_gradient: whether the mean carries a gradient; without, it costs none.
        """
        z = tf.convert_to_tensor(z, self.dtype)
        return mixture.log_prob_and_mean_responsibilities(
            z, *self._arguments(), mean_gradient=mean_gradient
        )

    def posterior_marginal(
        self, observations: tf.Tensor, name: str = "posterior_marginals"
    ) -> tfd.Categorical:
        """The categorical p(k|z) of each observation z [..., L]: its responsibilities."""
        with self._name_and_control_scope(name):
            z = tf.convert_to_tensor(observations, self.dtype)
            return tfd.Categorical(
                probs=_with_sample_axis(mixture.responsibilities, z, *self._arguments())
            )

    def posterior_mode(self, observations: tf.Tensor, name: str = "posterior_mode") -> tf.Tensor:
        """The component of the largest responsibility for each observation z [..., L]."""
        return self.posterior_marginal(observations, name).mode()

    def _sample_n(self, n, seed):
        seed = samplers.sanitize_seed(seed, salt="DiagonalGaussianMixture")
        return mixture.sample(n, *self._arguments(), seed)[0]


def _with_sample_axis(kernel, z, *parameters):
    """Calls a kernel, which wants [..., N, L], with z [..., L] of any rank."""
    if z.shape.rank == 1:
        return kernel(z[tf.newaxis], *parameters)[0]
    return kernel(z, *parameters)
