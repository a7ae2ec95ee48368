"""From settings to data, and from both to a compiled model."""

import keras
import numpy as np

from tf_sintrovae import memory, networks
from tf_sintrovae.config import Config
from tf_sintrovae.data import registry
from tf_sintrovae.data.source import Source
from tf_sintrovae.errors import UserError
from tf_sintrovae.model import SoftIntroVAE
from tf_sintrovae.network_checks import has_batch_norm
from tf_sintrovae.priors import (
    MixturePrior,
    Prior,
    StandardNormalPrior,
    VampPrior,
    WarmStartedMixturePrior,
)

_PRIOR_DTYPE = "float32"  # whatever the networks' precision


def load_source(config: Config) -> Source:
    """The data set of a run.

    Raises:
        UserError: unknown name, or data that are missing or damaged.
    """
    return registry.load(
        config.dataset, config.data_dir, config.image_size, config.seed, config.max_data_gib
    )


def build_model(
    config: Config, source: Source, jit_compile: bool = False, num_replicas: int = 1
) -> SoftIntroVAE:
    """The compiled model of a run, at its initial weights; call it inside the strategy's scope.

    Args:
        config: settings of the run.
        source: data set of the run; the VampPrior's pseudo-inputs start at training examples.
        jit_compile: whether XLA compiles the training step.
        num_replicas: number of replicas; batch norm is synchronised between several.

    Raises:
        UserError: an image size that the networks cannot halve, too few examples for the components, or more
            than the machine's memory.
    """
    encoder, decoder = _build_networks(config, source, synchronized=num_replicas > 1)
    model = SoftIntroVAE(
        encoder,
        decoder,
        build_prior(config, source),
        objective=config.objective,
        num_mc_samples=config.num_mc_samples,
        prior_player=config.prior_player,
        seed=config.seed,
        joint_batches=not (has_batch_norm(encoder) or has_batch_norm(decoder)),
    )
    model.compile(
        *[_optimizer(config, rate) for rate in learning_rates(config)],
        jit_compile=jit_compile,
        steps_per_execution=config.steps_per_execution,
    )
    return model


def build_prior(config: Config, source: Source) -> Prior:
    """The prior that `config.prior` names, at its initial values."""
    if config.prior == "standard_normal":
        return StandardNormalPrior(config.latent_dim, dtype=_PRIOR_DTYPE)
    vamp = VampPrior(
        _pseudo_inputs(config, source),
        config.latent_dim,
        config.learn_weights,
        clip=(0.0, 1.0) if source.is_image else None,
        dtype=_PRIOR_DTYPE,
    )
    if config.prior == "vamp" or config.prior_player == "encoder":
        return vamp
    mixture = MixturePrior(
        config.num_components,
        config.latent_dim,
        config.learn_weights,
        config.clip_variance,
        config.seed,
        dtype=_PRIOR_DTYPE,
    )
    return WarmStartedMixturePrior(vamp, mixture)


def _build_networks(
    config: Config, source: Source, synchronized: bool
) -> tuple[keras.Model, keras.Model]:
    """Encoder and decoder for the data set, in the settings' widths and precision."""
    widths = config.widths or networks.default_widths(source.shape)
    memory.check_size(config, source.shape, widths)
    try:
        return networks.build_networks(
            source.shape,
            config.latent_dim,
            widths,
            config.seed,
            synchronized=synchronized,
            dtype=_policy(config),
        )
    except ValueError as error:
        raise UserError(f"data set {source.name}: {error}") from error


def _policy(config: Config) -> str:
    """The networks' policy, given to each layer: a global one would reach every network built later."""
    return "float32" if config.mixed_precision == "off" else f"mixed_{config.mixed_precision}"


def learning_rates(config: Config) -> tuple[float, float, float]:
    """Rates of encoder, decoder and prior at the start."""
    rate, prior_rate = config.learning_rate, config.prior_learning_rate
    return rate, rate, rate if prior_rate is None else prior_rate


def _pseudo_inputs(config: Config, source: Source) -> np.ndarray:
    """K distinct training examples, drawn from the seed."""
    count = config.num_components
    if source.num_train is not None and count > source.num_train:
        raise UserError(
            f"num_components={count} is more than the {source.num_train} training examples of "
            f"{source.name}, from which the components start: give at most {source.num_train}"
        )
    return next(iter(source.train_batches(count, config.seed)))[0].numpy()


def _optimizer(config: Config, rate: float) -> keras.optimizers.Optimizer:
    adam = keras.optimizers.Adam(
        rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8, global_clipnorm=config.clip_norm
    )
    if config.mixed_precision == "float16":
        return keras.optimizers.LossScaleOptimizer(adam)
    return adam
