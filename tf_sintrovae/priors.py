"""The third player: priors over the latent space.

Every prior gives its parameters as tensors (`parameters`), which the training step differentiates, and as a
TFP distribution (`distribution`) for anyone who holds it. Both are made anew at each call, from the values
that the variables have then.
"""

import abc
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_sintrovae.distributions import DiagonalGaussianMixture


class MixtureParameters(NamedTuple):
    """A mixture of diagonal Gaussians as tensors.

    Attributes:
        loc: [K, L] means.
        logvar: [K, L] log-variances.
        logits: [K] unnormalised log weights.
    """

    loc: tf.Tensor
    logvar: tf.Tensor
    logits: tf.Tensor

    def stop_gradient(self) -> "MixtureParameters":
        """The same parameters, frozen."""
        return MixtureParameters(*map(tf.stop_gradient, self))


class Prior(keras.layers.Layer, abc.ABC):
    """What the model needs of a prior.

    Args:
        num_components: number of components, K.
        latent_dim: number of latent dimensions, L.
        name: name of the layer.
        dtype: type of the parameters; the variables' type of Keras's global policy when None.

    Attributes:
        num_components: number of components, K.
        latent_dim: number of latent dimensions, L.
    """

    def __init__(
        self, num_components: int, latent_dim: int, name: str = "prior", dtype: str | None = None
    ):
        if num_components < 1 or latent_dim < 1:
            raise ValueError(
                f"num_components {num_components} and latent_dim {latent_dim} must be at least 1"
            )
        super().__init__(name=name, dtype=dtype or keras.config.dtype_policy().variable_dtype)
        self.num_components = num_components
        self.latent_dim = latent_dim
        self.built = True

    @property
    def handed_over(self) -> bool:
        """Whether a free mixture has taken over from a VampPrior."""
        return False

    @property
    def active_variables(self) -> list[keras.Variable]:
        """The variables that the prior player trains at present."""
        return self.trainable_variables

    @property
    def limits(self) -> list[keras.Variable]:
        """The variables in which an infinity means that there is no limit."""
        return []

    @abc.abstractmethod
    def parameters(
        self, encoder: keras.Model | None = None, training: bool = False
    ) -> MixtureParameters:
        """The prior's parameters, differentiable in `active_variables` (and in the encoder, if used).

        Args:
            encoder: encoder of the model; needed by the VampPrior.
            training: whether the encoder pass, if there is one, counts in batch norm's moving statistics.
        """

    def from_parameters(self, parameters: MixtureParameters) -> tfd.Distribution:
        """The TFP distribution over z [L] that has `parameters`."""
        return DiagonalGaussianMixture(*parameters)

    def distribution(self, encoder: keras.Model | None = None) -> tfd.Distribution:
        """The prior as a TFP distribution over z [L]; batch norm keeps its moving statistics."""
        return self.from_parameters(self.parameters(encoder))

    def hand_over(self, encoder: keras.Model) -> None:
        """Lets a free mixture take over from a VampPrior.

        Raises:
            ValueError: a prior that has no other to hand over to.
        """
        raise ValueError(
            f"{type(self).__name__} does not hand over: only a warm-started mixture does"
        )

    def resume(self, handed_over: bool) -> None:
        """Puts the prior in force that was so when a run was left; no variable changes.

        Raises:
            ValueError: `handed_over` is True, but there is no prior to hand over to.
        """
        if handed_over:
            raise ValueError(f"{type(self).__name__} cannot have been handed over")

    def start_introspection(self) -> None:
        """Called at the end of the VAE stage, and when a run is resumed after it."""


class StandardNormalPrior(Prior):
    """N(0, I): the prior of the vanilla Soft-IntroVAE; nothing to learn, one component."""

    def __init__(self, latent_dim: int, name: str = "prior", dtype: str | None = None):
        super().__init__(1, latent_dim, name, dtype)

    def parameters(
        self, encoder: keras.Model | None = None, training: bool = False
    ) -> MixtureParameters:
        """Zeros: mean 0, log-variance 0, one component."""
        zeros = tf.zeros((1, self.latent_dim), self.variable_dtype)
        return MixtureParameters(zeros, zeros, zeros[:, 0])

    def from_parameters(self, parameters: MixtureParameters) -> tfd.Distribution:
        """`tfd.MultivariateNormalDiag`: the closed form, cheaper than a mixture of one."""
        loc = parameters.loc[0]
        return tfd.MultivariateNormalDiag(loc, tf.ones_like(loc))


class VampPrior(Prior):
    """A mixture of the encoder's posteriors at K learnable pseudo-inputs (Tomczak & Welling, 2018).

    The encoder is handed over at each call and never held: its weights belong to the encoder's player.

    Args:
        pseudo_inputs: [K, *shape] initial pseudo-inputs, usually training examples.
        latent_dim: number of latent dimensions, L.
        learn_weights: whether the logits are trained; otherwise they stay uniform.
        clip: hard limits of the pseudo-inputs, or None. The gradient is zero at and beyond them.
        name: name of the layer.
        dtype: type of the parameters, as in every `Prior`.
    """

    def __init__(
        self,
        pseudo_inputs: np.ndarray,
        latent_dim: int,
        learn_weights: bool = True,
        clip: tuple[float, float] | None = None,
        name: str = "vamp_prior",
        dtype: str | None = None,
    ):
        super().__init__(len(pseudo_inputs), latent_dim, name, dtype)
        self.clip = clip
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs", shape=pseudo_inputs.shape, initializer="zeros"
        )
        self.pseudo_inputs.assign(pseudo_inputs)
        self.logits = self.add_weight(
            name="logits",
            shape=(self.num_components,),
            initializer="zeros",
            trainable=learn_weights,
        )

    def parameters(
        self, encoder: keras.Model | None = None, training: bool = False
    ) -> MixtureParameters:
        """The posteriors at the pseudo-inputs, by one encoder pass of their own.

        Batch norm takes the statistics of the pseudo-inputs in either mode: the moving ones are the data's,
        and with them the prior would be another than the one that was trained.
        """
        if encoder is None:
            raise ValueError("the VampPrior is made of the encoder's posteriors: pass the encoder")
        inputs = tf.convert_to_tensor(self.pseudo_inputs.value)
        if self.clip is not None:
            inputs = hard_clip(inputs, *self.clip)
        loc, logvar = encoder(inputs, training=True) if training else _encode_alone(encoder, inputs)
        return MixtureParameters(loc, logvar, tf.convert_to_tensor(self.logits.value))


class MixturePrior(Prior):
    """A mixture of K diagonal Gaussians with free parameters, and adaptive variance clipping (paper, Sec. 4).

    Args:
        num_components: number of components, K.
        latent_dim: number of latent dimensions, L.
        learn_weights: whether the logits are trained; otherwise they keep their values.
        clip_variance: whether the range of the log-variances is frozen at the end of the VAE stage, and they
            are clipped softly to it from then on.
        seed: seed of the initial means, drawn from N(0, I); log-variances and logits start at 0.
        name: name of the layer.
        dtype: type of the parameters, as in every `Prior`.
    """

    def __init__(
        self,
        num_components: int,
        latent_dim: int,
        learn_weights: bool = True,
        clip_variance: bool = True,
        seed: int = 0,
        name: str = "mixture_prior",
        dtype: str | None = None,
    ):
        super().__init__(num_components, latent_dim, name, dtype)
        self.clip_variance = clip_variance
        shape = (num_components, latent_dim)
        self.loc = self.add_weight(
            name="loc", shape=shape, initializer=keras.initializers.RandomNormal(0.0, 1.0, seed)
        )
        self.logvar = self.add_weight(name="logvar", shape=shape, initializer="zeros")
        self.logits = self.add_weight(
            name="logits", shape=(num_components,), initializer="zeros", trainable=learn_weights
        )
        # Without limits (-inf, inf) the clip is the identity, so one graph serves before and after.
        self.min_logvar = self._limit("min_logvar", -np.inf)
        self.max_logvar = self._limit("max_logvar", np.inf)

    def _limit(self, name: str, value: float) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(self.latent_dim,),
            initializer=keras.initializers.Constant(value),
            trainable=False,
        )

    @property
    def limits(self) -> list[keras.Variable]:
        """The least and greatest log-variances, [L] each; infinite until introspection starts."""
        return [self.min_logvar, self.max_logvar]

    def parameters(
        self, encoder: keras.Model | None = None, training: bool = False
    ) -> MixtureParameters:
        """The free parameters, log-variances clipped once `start_introspection` was called."""
        logvar = soft_clip(
            tf.convert_to_tensor(self.logvar.value),
            tf.convert_to_tensor(self.min_logvar.value),
            tf.convert_to_tensor(self.max_logvar.value),
        )
        return MixtureParameters(
            tf.convert_to_tensor(self.loc.value), logvar, tf.convert_to_tensor(self.logits.value)
        )

    def assign(self, parameters: MixtureParameters) -> None:
        """Copies loc, logvar [K, L] and logits [K] into the variables."""
        self.loc.assign(parameters.loc)
        self.logvar.assign(parameters.logvar)
        self.logits.assign(parameters.logits)

    def start_introspection(self) -> None:
        """Freezes the range of each dimension's log-variances over the components, if clipping is on.

        A range that is frozen stays as it is. Where clipping is off, a range of before is dropped.
        """
        if not self.clip_variance:
            self.min_logvar.assign(tf.fill((self.latent_dim,), -np.inf))
            self.max_logvar.assign(tf.fill((self.latent_dim,), np.inf))
        elif not np.isfinite(self.max_logvar.numpy()).any():
            self.freeze_range()

    def freeze_range(self) -> None:
        """Takes the present range of each dimension's log-variances as their limits."""
        self.min_logvar.assign(tf.reduce_min(self.logvar.value, axis=0))
        self.max_logvar.assign(tf.reduce_max(self.logvar.value, axis=0))


class WarmStartedMixturePrior(Prior):
    """A VampPrior up to the hand-over, a free mixture from then on (paper, Sec. 4).

    Both exist from the start, so that a checkpoint has one structure throughout.

    Args:
        vamp: prior of the first phase.
        mixture: prior that takes over, of the same size.
        name: name of the layer.
    """

    def __init__(self, vamp: VampPrior, mixture: MixturePrior, name: str = "prior"):
        super().__init__(mixture.num_components, mixture.latent_dim, name, mixture.variable_dtype)
        if vamp.num_components != mixture.num_components:
            raise ValueError(
                f"vamp has {vamp.num_components} components, mixture {mixture.num_components}: "
                "the hand-over needs equal numbers"
            )
        self.vamp = vamp
        self.mixture = mixture
        self._handed_over = False

    @property
    def active(self) -> Prior:
        """The prior in force."""
        return self.mixture if self._handed_over else self.vamp

    @property
    def handed_over(self) -> bool:
        """Whether the mixture is in force."""
        return self._handed_over

    @property
    def limits(self) -> list[keras.Variable]:
        """The mixture's limits."""
        return self.mixture.limits

    @property
    def active_variables(self) -> list[keras.Variable]:
        """The trainable variables of the prior in force."""
        return self.active.trainable_variables

    def parameters(
        self, encoder: keras.Model | None = None, training: bool = False
    ) -> MixtureParameters:
        """The parameters of the prior in force."""
        return self.active.parameters(encoder, training)

    def resume(self, handed_over: bool) -> None:
        """Puts the mixture in force, or the VampPrior; no variable changes."""
        self._handed_over = handed_over

    def hand_over(self, encoder: keras.Model) -> None:
        """Turns the VampPrior into free parameters: means, log-variances and log weights are copied.

        Args:
            encoder: network that gives the posteriors at the pseudo-inputs, in one training-mode pass.
        """
        loc, logvar, logits = self.vamp.parameters(encoder, training=True)
        self.mixture.assign(MixtureParameters(loc, logvar, tf.nn.log_softmax(logits)))
        self._handed_over = True

    def start_introspection(self) -> None:
        """Freezes the mixture's clipping range, if the mixture is in force."""
        self.active.start_introspection()


def _encode_alone(encoder: keras.Model, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Encodes x by its own batch-norm statistics, and leaves the moving ones as they are."""
    trained = [tf.convert_to_tensor(v.value) for v in encoder.trainable_variables]
    others = [tf.convert_to_tensor(v.value) for v in encoder.non_trainable_variables]
    # A stateless call gives the new moving statistics back instead of storing them.
    posterior, _ = encoder.stateless_call(trained, others, x, training=True)
    return posterior


def hard_clip(x: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Clips to [low, high] with zero gradient at the limits as well as beyond them."""
    return tf.where((x > low) & (x < high), x, tf.stop_gradient(tf.clip_by_value(x, low, high)))


def soft_clip(logvar: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Adaptive variance clipping: pushes log-variances softly back into a frozen range.

    `logvar - softplus_b(logvar - high) + softplus_b(low - logvar)` with sharpness
    `b = 10 / (|high - low| + 1e-8)`; where `high == low` the result is `high`, without gradient.

    Args:
        logvar: [K, L] log-variances.
        low: [L] least log-variance, -inf for no limit.
        high: [L] greatest log-variance, inf for no limit.

    Returns:
        The clipped log-variances, [K, L].
    """
    limited = tf.math.is_finite(low) & tf.math.is_finite(high)
    # Inactive branches get harmless numbers: a gradient through `where` must not meet inf - inf.
    low, high = tf.where(limited, low, 0.0), tf.where(limited, high, 1.0)
    sharpness = 10.0 / (tf.abs(high - low) + tf.constant(1e-8, logvar.dtype))
    above = tf.math.softplus(sharpness * (logvar - high)) / sharpness
    below = tf.math.softplus(sharpness * (low - logvar)) / sharpness
    clipped = tf.where(high == low, tf.stop_gradient(high), logvar - above + below)
    return tf.where(limited, clipped, logvar)
