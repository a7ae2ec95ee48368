"""SoftIntroVAE: encoder, decoder and prior trained against and with each other by `fit`."""

import math
from collections.abc import Callable
from typing import Any, NoReturn

import keras
import tensorflow as tf

from tf_sintrovae.network_checks import check_joint_batches, infer_example_shape
from tf_sintrovae.noise import DecoderNoise, EncoderNoise, NoiseSource, VAENoise, current_replica
from tf_sintrovae.objective import Objective
from tf_sintrovae.player_losses import PlayerLosses, Posterior, estimate_kl
from tf_sintrovae.player_updates import (
    Player,
    make_optimizers,
    reset_slots,
    update_players,
)
from tf_sintrovae.priors import MixtureParameters, Prior
from tf_sintrovae.step_metrics import (
    METRICS,
    STAGE_METRICS,
    is_on_any_replica,
    note_divergence,
    read_divergence,
    update_means,
)

STAGES = ("vae", "introspective")
PRIOR_PLAYERS = ("decoder", "encoder", "none")
_OBJECTIVE = Objective()


class SoftIntroVAE(keras.Model):
    """Soft-IntroVAE with a prior as third player (Athanasiadis et al., TMLR 2025).

    Args:
        encoder: Keras model `x [B, *shape] -> (mean, logvar)`, each [B, L].
        decoder: Keras model `z [B, L] -> x [B, *shape]`.
        prior: one of `tf_sintrovae.priors`, with the same L.
        objective: loss weights; a scale of None becomes one over the number of values in an example.
        num_mc_samples: number of samples of each posterior that estimate its KL, M.
        prior_player: player with whom the prior steps in the introspective stage: 'decoder', 'encoder', or
            'none', which keeps it fixed.
        seed: seed of all noise.
        joint_batches: whether the networks take two batches as one, which is faster; right where an
            example's output does not depend on the others of its batch, so not with batch norm.
        kl_estimator: function that estimates KLs, with the arguments and results of
            `player_losses.estimate_kl`.
        name: name of the model.

    Attributes:
        stage: stage of training, 'vae' or 'introspective'; may be set between calls of `fit`.
        step: number of training steps taken, an int64 variable.
        diverged: note of the first step whose losses were not all finite, an int64 variable [2]: `step` after
            it, and a bit for each loss that was not; zeros while all are. `divergence` reads it.
        stop_requested: whether a replica was asked to stop, an int64 variable that may be set to 1 on any of
            them; after a step it is 1 on all.
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
        kl_estimator: Callable = estimate_kl,
        name: str = "soft_intro_vae",
    ):
        # In the prior's precision, whatever the global policy: inputs are not rounded on their way in.
        super().__init__(name=name, dtype=prior.variable_dtype)
        if prior_player not in PRIOR_PLAYERS:
            raise ValueError(f"prior_player {prior_player!r}: expected one of {PRIOR_PLAYERS}")
        if joint_batches:
            check_joint_batches(encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.example_shape = infer_example_shape(encoder, decoder, prior)
        self.objective = objective.for_examples(math.prod(self.example_shape))
        self.num_mc_samples = num_mc_samples
        self.prior_player = prior_player
        self.seed = seed
        self._player_losses = PlayerLosses(
            encoder, decoder, prior, self.objective, joint_batches, kl_estimator
        )
        self.step = _add_counter(self, "step", ())
        self.diverged = _add_counter(self, "diverged", (2,))
        self.stop_requested = _add_counter(self, "stop_requested", ())
        self._trackers = {name: keras.metrics.Mean(name) for name in METRICS}
        self._stage = "vae"
        self.built = True

    @property
    def stage(self) -> str:
        """Stage of training: 'vae' or 'introspective'."""
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
        return read_divergence(self.diverged.numpy())

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions, L."""
        return self.prior.latent_dim

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The running means of all stages; Keras resets them at each epoch and evaluation."""
        return list(self._trackers.values())

    def retrace(self) -> None:
        """Drops the compiled steps, which Keras would otherwise go on using after a change."""
        self.train_function = None
        self.test_function = None

    def hand_over(self) -> None:
        """VampPrior -> free mixture: copies the parameters and lets all three optimizers start afresh."""
        self.prior.hand_over(self.encoder)
        for optimizer in self.optimizers:
            reset_slots(optimizer)
        self.retrace()

    def start_introspection(self) -> None:
        """Ends the VAE stage: freezes the clipping range and switches to the introspective losses.

        Once it has ended, another call changes nothing, unless the prior now clips and did not, or did.
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
            encoder_optimizer: Keras optimizer of the encoder, or its name.
            decoder_optimizer: Keras optimizer of the decoder, or its name; another object.
            prior_optimizer: Keras optimizer of the prior, or its name; a third object.
            **kwargs: arguments of `keras.Model.compile`: `jit_compile`, `steps_per_execution`,
                `run_eagerly`.

        Raises:
            ValueError: one optimizer object given for two players.
        """
        optimizers = make_optimizers(encoder_optimizer, decoder_optimizer, prior_optimizer)
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

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The reconstruction of x [B, *shape] from the posterior mean."""
        mean, _ = self.encoder(x, training=training)
        return self.decoder(mean, training=training)

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not supported: points to the export.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "SoftIntroVAE is saved as a SavedModel: use tf_sintrovae.serving.export.export(model, path)"
        )

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of all players on a batch `x` or `(x, y)`; labels are not used."""
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        noise = self._noise(x)
        if self.stage == "vae":
            values = self.vae_step(x, noise.vae())
        else:
            values, posterior = self.encoder_step(x, noise.encoder_player())
            values |= self.decoder_prior_step(x, posterior, noise.decoder_player())
        self.step.assign_add(1)
        self._share_stop_request()
        with tf.name_scope("metrics"):
            means = {name: tf.reduce_mean(values[name]) for name in STAGE_METRICS[self.stage]}
            self.diverged.assign(note_divergence(self.diverged.value, self.step.value, means))
            return update_means(self._trackers, means, tf.shape(x)[0])

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The VAE loss and its terms on a batch, in inference mode."""
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        noise = self._noise(x).vae()
        losses = self._player_losses.vae(
            x, noise, self.prior.parameters(self.encoder), training=False
        )
        means = {name: tf.reduce_mean(value) for name, value in losses.items()}
        return update_means(self._trackers, means, tf.shape(x)[0])

    def vae_step(self, x: tf.Tensor, noise: VAENoise) -> dict[str, tf.Tensor]:
        """Stage 1: one loss, and each player's optimizer steps on it."""

        def compute(parameters: MixtureParameters) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            losses = self._player_losses.vae(x, noise, parameters)
            return losses["loss"], losses

        return self._update(compute, "encoder", "decoder", "prior")

    def encoder_step(
        self, x: tf.Tensor, noise: EncoderNoise
    ) -> tuple[dict[str, tf.Tensor], Posterior]:
        """The encoder player's step (with the prior, if they are paired).

        Returns:
            The losses, and the real batch's posterior as the decoder player needs it.
        """

        def compute(parameters):
            losses, posterior = self._player_losses.encoder_player(x, noise, parameters)
            return losses["encoder_loss"], (losses, posterior)

        paired = ("prior",) if self.prior_player == "encoder" else ()
        return self._update(compute, "encoder", *paired)

    def decoder_prior_step(
        self, x: tf.Tensor, posterior: Posterior, noise: DecoderNoise
    ) -> dict[str, tf.Tensor]:
        """The decoder player's step (with the prior, if they are paired), the encoder frozen."""

        def compute(parameters):
            losses = self._player_losses.decoder_player(x, posterior, noise, parameters)
            return losses["decoder_loss"], losses

        paired = ("prior",) if self.prior_player == "decoder" else ()
        return self._update(compute, "decoder", *paired)

    def _update(self, compute: Callable, *names: str) -> Any:
        """Steps the named players on what `compute` makes of the prior's parameters."""
        players = {
            "encoder": Player(self.encoder, self.encoder_optimizer),
            "decoder": Player(self.decoder, self.decoder_optimizer),
        }
        # TensorBoard's graph and profile show the name.
        with tf.name_scope("_".join((*names, "step"))):
            return update_players(
                compute,
                [players[name] for name in names if name != "prior"],
                self.prior,
                self.encoder,
                self.prior_optimizer if "prior" in names else None,
            )

    def _share_stop_request(self) -> None:
        """A request that reaches one replica reaches all, at the same step."""
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            request = tf.convert_to_tensor(self.stop_requested.value) > 0
            self.stop_requested.assign(tf.cast(is_on_any_replica(request), tf.int64))

    def _noise(self, x: tf.Tensor) -> NoiseSource:
        return NoiseSource(
            self.seed,
            self.step.value,
            tf.shape(x)[0],
            self.latent_dim,
            self.num_mc_samples,
            self.prior.variable_dtype,
            current_replica(),
        )


def _add_counter(model: keras.Model, name: str, shape: tuple[int, ...]) -> keras.Variable:
    """An integer variable that all replicas have alike."""
    return model.add_weight(
        name=name,
        shape=shape,
        dtype="int64",
        initializer="zeros",
        trainable=False,
        aggregation="only_first_replica",
    )
