"""SoftIntroVAE: encoder, decoder and prior trained against and with each other by `fit`."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_sintrovae import objectives
from tf_sintrovae.kernels import mixture
from tf_sintrovae.noise import DecoderNoise, EncoderNoise, NoiseSource, VAENoise
from tf_sintrovae.objectives import Objective
from tf_sintrovae.priors import MixtureParameters, Prior

STAGES = ("vae", "introspective")
PRIOR_PLAYERS = ("decoder", "encoder", "none")
_OBJECTIVE = Objective()

_METRICS = {
    "vae": ("loss", "rec", "kl"),
    "introspective": (
        "encoder_loss",
        "decoder_loss",
        "rec",
        "kl",
        "kl_rec",
        "kl_fake",
        "exp_elbo_rec",
        "exp_elbo_fake",
        "assignment_entropy",
    ),
}
# Of all stages; a term's place is its bit in `SoftIntroVAE.diverged`.
_TERMS = tuple(dict.fromkeys(name for names in _METRICS.values() for name in names))


class SoftIntroVAE(keras.Model):
    """Soft-IntroVAE with a prior as third player (Athanasiadis et al., TMLR 2025).

    Args:
        encoder: Keras model `x [B, *shape] -> (mean, logvar)`, each [B, L].
        decoder: Keras model `z [B, L] -> x [B, *shape]`.
        prior: one of `tf_sintrovae.priors`, with the same L.
        objective: weights of the losses; its scale is one over the number of values in an example where it is
            None.
        num_mc_samples: M, samples of each posterior that estimate its KL.
        prior_player: with whom the prior steps in the introspective stage: 'decoder', 'encoder', or 'none'
            (fixed).
        seed: of all noise.
        joint_batches: let the networks take two batches as one, which is faster; right where an example's
            output does not depend on the others of its batch, so not with batch norm.

    Attributes:
        stage: 'vae' or 'introspective'; may be set between calls of `fit`.
        step: int64 variable, training steps taken.
        diverged: int64 variable [2], `step` after the first step whose losses were not all finite, and a bit
            for each loss that was not; zeros while all are. `divergence` reads it.
        example_shape: shape of one example.

    Raises:
        ValueError: an unknown `prior_player`, `joint_batches` with batch norm, or sizes of encoder, decoder
            and prior that do not fit.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        prior: Prior,
        *,
        objective: Objective = _OBJECTIVE,
        num_mc_samples: int = 100,
        prior_player: str = "decoder",
        seed: int = 0,
        joint_batches: bool = False,
        name: str = "soft_intro_vae",
    ):
        # In the prior's precision, whatever the global policy: inputs are not rounded on their way in.
        super().__init__(name=name, dtype=prior.variable_dtype)
        if prior_player not in PRIOR_PLAYERS:
            raise ValueError(f"prior_player {prior_player!r}: expected one of {PRIOR_PLAYERS}")
        if joint_batches and (_has_batch_norm(encoder) or _has_batch_norm(decoder)):
            raise ValueError(
                "joint_batches=True, but there is batch norm: expected networks without"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.example_shape = _example_shape(encoder, decoder, prior)
        self.objective = objective.for_examples(math.prod(self.example_shape))
        self.num_mc_samples = num_mc_samples
        self.prior_player = prior_player
        self.seed = seed
        self.joint_batches = joint_batches
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.diverged = self.add_weight(
            name="diverged",
            shape=(2,),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self._trackers = {name: keras.metrics.Mean(name) for name in _TERMS}
        self._stage = "vae"
        self.built = True

    # Public interface ------------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """'vae' or 'introspective'."""
        return self._stage

    @stage.setter
    def stage(self, stage: str) -> None:
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r}: expected one of {STAGES}")
        self._stage = stage
        self.retrace()

    @property
    def divergence(self) -> tuple[int, list[str]] | None:
        """The first training step, counted from 1, whose losses were not finite, and which; None without."""
        step, bits = map(int, self.diverged.numpy())
        terms = [name for bit, name in enumerate(_TERMS) if bits >> bit & 1]
        return (step, terms) if terms else None

    @property
    def latent_dim(self) -> int:
        """L."""
        return self.prior.latent_dim

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means of all stages; Keras resets them at each epoch and evaluation."""
        return list(self._trackers.values())

    def retrace(self) -> None:
        """Drops the compiled training step, which Keras would otherwise go on using after a change."""
        self.train_function = None

    def hand_over(self) -> None:
        """VampPrior -> free mixture: copies the parameters and lets all three optimizers start afresh."""
        self.prior.hand_over(self.encoder)
        for optimizer in self.optimizers:
            _reset_slots(optimizer)
        self.retrace()

    def start_introspection(self) -> None:
        """Ends the VAE stage: freezes the clipping range and switches to the introspective losses.

        Once it has ended, another call changes nothing, unless the prior's `clip_variance` has changed.
        """
        if self.prior_player == "decoder":
            self.prior.start_introspection()
        self.stage = "introspective"

    def compile(
        self,
        encoder_optimizer: Any = "adam",
        decoder_optimizer: Any = "adam",
        prior_optimizer: Any = "adam",
        **kwargs: Any,
    ) -> None:
        """Takes one optimizer a player and builds all three.

        Args:
            encoder_optimizer: Keras optimizer or its name; three different objects are needed.
            decoder_optimizer: likewise.
            prior_optimizer: likewise.
            **kwargs: for `keras.Model.compile`: `jit_compile`, `steps_per_execution`, `run_eagerly`.

        Raises:
            ValueError: one optimizer object given for two players.
        """
        optimizers = [
            keras.optimizers.get(optimizer)
            for optimizer in (encoder_optimizer, decoder_optimizer, prior_optimizer)
        ]
        if len(set(map(id, optimizers))) < 3:
            raise ValueError("each player needs an optimizer of its own: pass three objects")
        # Keras wraps its one optimizer for loss scaling; here each player's scale is its own.
        kwargs.setdefault("auto_scale_loss", False)
        super().compile(optimizer=optimizers[0], **kwargs)
        self.encoder_optimizer, self.decoder_optimizer, self.prior_optimizer = optimizers
        players = (self.encoder, self.decoder, self.prior)
        for optimizer, player in zip(optimizers, players, strict=True):
            optimizer.build(player.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The encoder's, decoder's and prior's optimizer."""
        return [self.encoder_optimizer, self.decoder_optimizer, self.prior_optimizer]

    def call(self, x, training=False):
        """The reconstruction of x [B, *shape] from the posterior mean."""
        mean, _ = self.encoder(x, training=training)
        return self.decoder(mean, training=training)

    def save(self, *args, **kwargs):
        """Not supported: points to the export.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "SoftIntroVAE is saved as a SavedModel: use tf_sintrovae.export.export(model, path)"
        )

    # Steps, as `fit` and `evaluate` call them ------------------------------------------------------

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One step of all players on a batch `x` or `(x, y)`; labels are not used."""
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        noise = self._noise(x)
        if self.stage == "vae":
            values = self.vae_step(x, noise.vae())
        else:
            values, posterior = self.encoder_step(x, noise.encoder_player())
            values |= self.decoder_prior_step(x, posterior, noise.decoder_player())
        self.step.assign_add(1)
        means = {name: tf.reduce_mean(values[name]) for name in _METRICS[self.stage]}
        self._note_divergence(means)
        return self._track(means, x)

    def test_step(self, data) -> dict[str, tf.Tensor]:
        """The VAE loss and its terms on a batch, in inference mode."""
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        noise = self._noise(x).vae()
        prior = self.prior.distribution(self.encoder)
        mean, logvar = self.encoder(x, training=False)
        reconstruction = self.decoder(
            objectives.reparameterize(mean, logvar, noise.z), training=False
        )
        rec = objectives.reconstruction_error(x, reconstruction)
        kl, _ = self._kl(mean, logvar, noise.kl, prior)
        loss = objectives.vae_loss(rec, kl, self.objective)
        return self._track({"loss": loss, "rec": tf.reduce_mean(rec), "kl": tf.reduce_mean(kl)}, x)

    def _track(self, means: dict[str, tf.Tensor], x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Takes a batch's means into the running ones, which it returns; a partial batch counts as such."""
        for name, value in means.items():
            self._trackers[name].update_state(value, sample_weight=tf.shape(x)[0])
        return {name: self._trackers[name].result() for name in means}

    def _note_divergence(self, means: dict[str, tf.Tensor]) -> None:
        """Notes the first step at which a mean, on any replica, is not finite; the step goes on."""
        finite = tf.math.is_finite(tf.stack(list(means.values())))
        bad = tf.cast(_on_any_replica(~finite), tf.int64)
        bits = tf.constant([1 << _TERMS.index(name) for name in means], tf.int64)
        now = tf.stack([self.step.value, tf.reduce_sum(bad * bits)])
        noted = tf.convert_to_tensor(self.diverged.value)
        self.diverged.assign(tf.where(noted[1] == 0, now, noted))

    # The players' steps ----------------------------------------------------------------------------
    #
    # The prior's tape records how its parameters (a mixture's, or an encoder pass for the VampPrior) come
    # about, the other player's tape what follows from them. The gradient at the parameters joins the two,
    # so that nothing is computed twice although each player has a tape of its own.

    def vae_step(self, x: tf.Tensor, noise: VAENoise) -> dict[str, tf.Tensor]:
        """Stage 1: one loss, and each player's optimizer steps on it."""
        with tf.GradientTape() as prior_tape:
            parameters = self.prior.parameters(self.encoder, training=True)
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            prior = self.prior.from_parameters(parameters)
            mean, logvar = self.encoder(x, training=True)
            reconstruction = self.decoder(
                objectives.reparameterize(mean, logvar, noise.z), training=True
            )
            rec = objectives.reconstruction_error(x, reconstruction)
            kl, _ = self._kl(mean, logvar, noise.kl, prior)
            loss = objectives.vae_loss(rec, kl, self.objective)
            scaled = self._share(self.encoder_optimizer.scale_loss(loss))
        encoder_grads, decoder_grads, parameter_grads = tape.gradient(
            scaled,
            (
                self.encoder.trainable_variables,
                self.decoder.trainable_variables,
                parameters,
            ),
        )
        prior_grads, through_prior = self._prior_gradients(prior_tape, parameters, parameter_grads)
        encoder_grads = _add(encoder_grads, through_prior)
        self._apply(
            self.encoder_optimizer,
            (self.encoder_optimizer, encoder_grads, self.encoder.trainable_variables),
            (self.decoder_optimizer, decoder_grads, self.decoder.trainable_variables),
            (self.prior_optimizer, prior_grads, self.prior.active_variables),
        )
        return {"loss": loss, "rec": rec, "kl": kl}

    def encoder_step(
        self, x: tf.Tensor, noise: EncoderNoise
    ) -> tuple[dict[str, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """The encoder player's step (with the prior, if they are paired).

        Returns:
            The losses, and the real batch's posterior `(mean, logvar, z)` as the decoder player needs it.
        """
        paired = self.prior_player == "encoder"
        with tf.GradientTape() as prior_tape:
            parameters = self.prior.parameters(self.encoder, training=True)
        if not paired:
            parameters = parameters.stop_gradient()
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            losses, posterior = self._encoder_loss(x, noise, parameters)
            scaled = self._share(self.encoder_optimizer.scale_loss(losses["encoder_loss"]))
        variables = self.encoder.trainable_variables
        optimizer = self.encoder_optimizer
        if not paired:
            self._apply(optimizer, (optimizer, tape.gradient(scaled, variables), variables))
            return losses, posterior
        encoder_grads, parameter_grads = tape.gradient(scaled, (variables, parameters))
        prior_grads, through_prior = self._prior_gradients(prior_tape, parameters, parameter_grads)
        self._apply(
            optimizer,
            (optimizer, _add(encoder_grads, through_prior), variables),
            (self.prior_optimizer, prior_grads, self.prior.active_variables),
        )
        return losses, posterior

    def decoder_prior_step(
        self,
        x: tf.Tensor,
        posterior: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        noise: DecoderNoise,
    ) -> dict[str, tf.Tensor]:
        """The decoder player's step (with the prior, if they are paired), the encoder frozen."""
        paired = self.prior_player == "decoder"
        with tf.GradientTape() as prior_tape:
            parameters = self.prior.parameters(self.encoder, training=True)
        if not paired:
            parameters = parameters.stop_gradient()
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            losses = self._decoder_loss(x, posterior, noise, parameters)
            scaled = self._share(self.decoder_optimizer.scale_loss(losses["decoder_loss"]))
        variables = self.decoder.trainable_variables
        optimizer = self.decoder_optimizer
        if not paired:
            self._apply(optimizer, (optimizer, tape.gradient(scaled, variables), variables))
            return losses
        decoder_grads, parameter_grads = tape.gradient(scaled, (variables, parameters))
        prior_grads, _ = self._prior_gradients(prior_tape, parameters, parameter_grads)
        self._apply(
            optimizer,
            (optimizer, decoder_grads, variables),
            (self.prior_optimizer, prior_grads, self.prior.active_variables),
        )
        return losses

    # Losses of a step ------------------------------------------------------------------------------

    def _encoder_loss(self, x, noise: EncoderNoise, parameters: MixtureParameters):
        prior = self.prior.from_parameters(parameters)
        frozen_prior = self.prior.from_parameters(parameters.stop_gradient())
        mean, logvar = self.encoder(x, training=True)
        z = objectives.reparameterize(mean, logvar, noise.z_real)  # [B, L]
        x_rec = self.decoder(z, training=True)
        x_fake = self.decoder(self._fake_latents(parameters, noise), training=True)
        generated = tf.concat([x_rec, x_fake], axis=0)  # [2B, *shape]
        # Detached as the encoder's input only: as targets they carry a gradient.
        mean_2, logvar_2 = self._by_batch(self.encoder, tf.stop_gradient(generated))  # [2B, L]
        z_2 = objectives.reparameterize(mean_2, logvar_2, noise.z_generated)
        rec_2 = objectives.reconstruction_error(generated, self._by_batch(self.decoder, z_2))

        kl, mean_responsibilities = self._kl(
            mean, logvar, noise.kl_real, prior, self._statistics_needed
        )
        kl_2, _ = self._kl(mean_2, logvar_2, noise.kl_generated, frozen_prior)
        (rec_rec, rec_fake), (kl_rec, kl_fake) = tf.split(rec_2, 2), tf.split(kl_2, 2)
        rec = objectives.reconstruction_error(x, x_rec)
        regulariser = self._regulariser(mean_responsibilities, rec.dtype)
        loss = objectives.encoder_loss(
            (rec, kl),
            (rec_rec, kl_rec),
            (rec_fake, kl_fake),
            regulariser if self.objective.responsibility_reg else 0.0,
            self.objective,
        )
        losses = {
            "encoder_loss": loss,
            "rec": rec,
            "kl": kl,
            "kl_rec": kl_rec,
            "kl_fake": kl_fake,
            "exp_elbo_rec": objectives.exp_elbo(rec_rec, kl_rec, self.objective),
            "exp_elbo_fake": objectives.exp_elbo(rec_fake, kl_fake, self.objective),
            "assignment_entropy": -regulariser,
        }
        return losses, tuple(map(tf.stop_gradient, (mean, logvar, z)))

    def _decoder_loss(self, x, posterior, noise: DecoderNoise, parameters: MixtureParameters):
        prior = self.prior.from_parameters(parameters)
        frozen_prior = self.prior.from_parameters(parameters.stop_gradient())
        mean, logvar, z = posterior
        z_fake = self._fake_latents(parameters, noise)
        x_fake, x_rec = tf.split(self._by_batch(self.decoder, tf.concat([z_fake, z], axis=0)), 2)
        generated = tf.concat([x_rec, x_fake], axis=0)  # [2B, *shape]
        mean_2, logvar_2 = self._by_batch(self.encoder, generated)  # [2B, L]
        kl, _ = self._kl(mean, logvar, noise.kl_real, prior)
        kl_2, _ = self._kl(mean_2, logvar_2, noise.kl_generated, frozen_prior)
        rec = objectives.reconstruction_error(x, x_rec)
        rec_2 = None
        if self.objective.gamma_r:
            # The posteriors and the examples are detached here: the term trains decoding alone.
            z_2 = tf.stop_gradient(objectives.reparameterize(mean_2, logvar_2, noise.z_generated))
            rec_2 = objectives.reconstruction_error(
                tf.stop_gradient(generated), self._by_batch(self.decoder, z_2)
            )
        loss = objectives.decoder_prior_loss((rec, kl), kl_2, rec_2, self.objective)
        return {"decoder_loss": loss}

    def _fake_latents(
        self, parameters: MixtureParameters, noise: EncoderNoise | DecoderNoise
    ) -> tf.Tensor:
        """Prior samples [B, L]; differentiable in loc and logvar, not in the weights."""
        component = mixture.sample_components(noise.component, tf.stop_gradient(parameters.logits))
        return mixture.component_sample(component, noise.prior, parameters.loc, parameters.logvar)

    def _by_batch(self, network: keras.Model, batches: tf.Tensor):
        """What a network gives, in training, for two batches [2B, ...]."""
        if self.joint_batches:
            return network(batches, training=True)
        first, second = (network(batch, training=True) for batch in tf.split(batches, 2))
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), first, second)

    def _kl(self, mean, logvar, eps, prior, statistics=False):
        """KL of posteriors [B] and, on request, the mean responsibilities [K] of their samples."""
        z = objectives.posterior_samples(mean, logvar, eps)  # [M B, L]
        mean_responsibilities = None
        if statistics:
            # Without the regulariser they are a metric alone.
            regularised = self.objective.responsibility_reg > 0
            log_prob, mean_responsibilities = prior.log_prob_and_mean_responsibilities(
                z, mean_gradient=regularised
            )
            mean_responsibilities = tf.ensure_shape(
                mean_responsibilities, (self.prior.num_components,)
            )
        else:
            log_prob = prior.log_prob(z)
        return objectives.monte_carlo_kl(logvar, eps, log_prob), mean_responsibilities

    @property
    def _statistics_needed(self) -> bool:
        return self.prior.num_components > 1

    def _regulariser(self, mean_responsibilities, dtype):
        """R over the global batch; zero for a prior of one component, which has nothing to spread."""
        if mean_responsibilities is None:
            return tf.zeros((), dtype)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            mean_responsibilities = context.all_reduce(
                tf.distribute.ReduceOp.MEAN, mean_responsibilities
            )
        return objectives.negative_assignment_entropy(mean_responsibilities)

    # Gradients -------------------------------------------------------------------------------------

    def _prior_gradients(self, prior_tape, parameters, parameter_grads):
        """Carries the gradient at the prior's parameters on to its variables and to the encoder."""
        return prior_tape.gradient(
            parameters,
            (self.prior.active_variables, self.encoder.trainable_variables),
            output_gradients=parameter_grads,
        )

    def _share(self, loss: tf.Tensor) -> tf.Tensor:
        """This replica's share of the loss: Keras sums gradients over replicas."""
        return loss / tf.cast(_num_replicas(), loss.dtype)

    def _apply(self, source, *players) -> None:
        """Steps optimizers on the gradients of one loss.

        No variable changes before all the gradients are there: TensorFlow's graph optimiser at times drops
        the edge that keeps an update of the prior behind the encoder's read (tests/test_ordering.py).

        Args:
            source: the optimizer that scaled the loss.
            *players: `(optimizer, gradients, variables)` each.
        """
        players = [player for player in players if player[2]]
        rescaled = [_rescaled(grads, source, optimizer) for optimizer, grads, _ in players]
        complete = iter(tf.tuple([grad for grads in rescaled for grad in grads]))
        for optimizer, grads, variables in players:
            optimizer.apply([next(complete) for _ in grads], variables)

    def _noise(self, x) -> NoiseSource:
        context = tf.distribute.get_replica_context()
        replica = 0 if context is None else context.replica_id_in_sync_group
        return NoiseSource(
            self.seed,
            self.step.value,
            tf.shape(x)[0],
            self.latent_dim,
            self.num_mc_samples,
            self.prior.variable_dtype,
            _num_replicas(),
            replica,
        )


def _has_batch_norm(network: keras.Model) -> bool:
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


def _num_replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def _on_any_replica(flags: tf.Tensor) -> tf.Tensor:
    """Whether each of the flags is set on any replica."""
    if _num_replicas() == 1:
        return flags
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(flags, tf.float32)) > 0


def _rescaled(grads, source, optimizer):
    """Gradients of a loss that `source` scaled, as if `optimizer` had scaled it."""
    scales = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in (optimizer, source)]
    if optimizer is source or not any(scales):
        return grads
    one = tf.ones((), tf.float32)
    ratio = optimizer.scale_loss(one) / source.scale_loss(one)
    return [None if g is None else g * tf.cast(ratio, g.dtype) for g in grads]


def _add(grads, others):
    """Adds two lists of gradients; None stands for zero."""
    return [
        b if a is None else a if b is None else a + b for a, b in zip(grads, others, strict=True)
    ]


def _reset_slots(optimizer: keras.optimizers.Optimizer) -> None:
    """Sets an optimizer's moments and its step count to zero; learning rate and loss scale stay."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    for variable in optimizer.variables:
        if variable is not optimizer.learning_rate:
            variable.assign(tf.zeros_like(variable.value))


def _example_shape(encoder, decoder, prior) -> tuple[int, ...]:
    """The shape of one example, after checking that the three players fit each other."""
    dtype = prior.variable_dtype
    latent_dim = prior.latent_dim
    x = _symbolic_call("decoder", decoder, keras.KerasTensor((None, latent_dim), dtype))
    posterior = _symbolic_call("encoder", encoder, keras.KerasTensor(x.shape, dtype))
    if not isinstance(posterior, (tuple, list)) or len(posterior) != 2:
        raise ValueError("the encoder must return (mean, logvar), each [batch, latent_dim]")
    for name, output in zip(("mean", "logvar"), posterior, strict=True):
        if tuple(output.shape[1:]) != (latent_dim,):
            raise ValueError(
                f"the encoder's {name} has shape {tuple(output.shape)}: expected "
                f"[batch, {latent_dim}], the prior's latent_dim"
            )
    return tuple(x.shape[1:])


def _symbolic_call(name, network, spec):
    """What `network` makes of a tensor like `spec`; also builds it, if it is not built yet."""
    try:
        return network(spec)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"the {name} cannot take [batch, {', '.join(map(str, spec.shape[1:]))}]: {error}"
        ) from error
