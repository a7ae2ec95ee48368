"""Time of VAE and introspective steps against the same steps written naively.

    python -m benchmarks.training_step [--settings=plane,fmnist,cifar10] [--output=step.json]

The naive step takes TFP's `MixtureSameFamily.log_prob`, one call for each posterior, one network pass for
each batch, and the full passes of the gamma_r term, in graph mode. `standard_normal` is the same step with
N(0, I) as prior: what a mixture adds to it is the ratio beside it. `compiled` is the step compiled as a whole
with XLA (`jit_compile`), in the place of its kernels alone. Each oneDNN setting runs in a process of its own;
times are medians of interleaved steps after a warm-up.
"""

from collections.abc import Callable
from typing import Any

from benchmarks import harness

_PLANE_LOSS_WEIGHTS = {"beta_rec": 0.2, "beta_kl": 0.3, "beta_neg": 0.9, "responsibility_reg": 0.0}
_IMAGE_LOSS_WEIGHTS = {
    "beta_rec": 1.0,
    "beta_kl": 1.0,
    "beta_neg": 256.0,
    "responsibility_reg": 100.0,
}
SETTINGS = {
    # name: (shape, batch size, L, K, widths, loss weights)
    "plane": ((2,), 512, 2, 64, (256,) * 4, _PLANE_LOSS_WEIGHTS),
    "fmnist": ((28, 28, 1), 128, 32, 100, (64, 128), _IMAGE_LOSS_WEIGHTS),
    "cifar10": ((32, 32, 3), 32, 128, 100, (64, 128, 256), _IMAGE_LOSS_WEIGHTS),
}
REPEATS = {"plane": 25, "fmnist": 3, "cifar10": 3}
STAGES = ("vae", "introspective")
KINDS = ("naive", "mixture", "standard_normal", "compiled")


def main() -> None:
    """Runs one process for each oneDNN setting, prints tables and writes the JSON."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--settings", default=",".join(SETTINGS), help="which of the settings")
    options = parser.parse_args()
    names = options.settings.split(",")
    if options.child:
        harness.write_json(options.child, measure(names))
        return
    results = harness.compare_onednn("benchmarks.training_step", f"--settings={options.settings}")
    results["shipped"] = compare_shipped(results["onednn"])
    print("\nnaive under TensorFlow's default (oneDNN off) against what main ships (on)")
    print(harness.table(results["shipped"]))
    if options.output:
        harness.write_json(options.output, results)


def compare_shipped(rows: dict[str, list[dict]]) -> list[dict]:
    """How much faster than the naive step with oneDNN off the mixture's is with oneDNN on."""
    return [
        {
            "setting": off["setting"],
            "stage": off["stage"],
            "naive off/mixture on": off["naive s"] / on["mixture s"],
        }
        for off, on in zip(rows["0"], rows["1"], strict=True)
    ]


def measure(names: list[str]) -> list[dict]:
    """A row for each setting and stage: seconds a step, and ratios."""
    rows = []
    for name in names:
        for stage in STAGES:
            steps = {kind: step(kind, stage, SETTINGS[name]) for kind in KINDS}
            seconds = harness.interleaved_medians(steps, REPEATS[name], warm_up=2)
            rows.append(
                {"setting": name, "stage": stage}
                | {f"{kind} s": value for kind, value in seconds.items()}
                | {
                    "naive/mixture": seconds["naive"] / seconds["mixture"],
                    "mixture/normal": seconds["mixture"] / seconds["standard_normal"],
                    "mixture/compiled": seconds["mixture"] / seconds["compiled"],
                }
            )
    return rows


def step(kind: str, stage: str, setting: Any) -> Callable:
    """A function that runs one training step of a kind, as `fit` would."""
    import tensorflow as tf

    model, x = build_model(kind, stage, setting), batch(setting)
    function = tf.function(model.train_step, jit_compile=kind == "compiled")
    return lambda: {name: value.numpy() for name, value in function(x).items()}


def build_model(kind: str, stage: str, setting: Any) -> Any:
    """The compiled model of a kind, in a stage of training."""
    import keras

    from tf_sintrovae import networks, priors
    from tf_sintrovae.model import SoftIntroVAE
    from tf_sintrovae.objective import Objective
    from tf_sintrovae.player_losses import estimate_kl

    shape, batch_size, latent_dim, num_components, widths, weights = setting
    encoder, decoder = networks.build_networks(shape, latent_dim, widths)
    if kind == "standard_normal":
        prior = priors.StandardNormalPrior(latent_dim)
    else:
        prior = priors.MixturePrior(num_components, latent_dim)
    model = SoftIntroVAE(
        encoder,
        decoder,
        prior,
        objective=Objective(gamma_r=1e-8 if kind == "naive" else 0.0, **weights),
        joint_batches=kind != "naive" and len(shape) == 1,
        kl_estimator=_naive_kl(batch_size) if kind == "naive" else estimate_kl,
    )
    model.compile(*[keras.optimizers.Adam(2e-4) for _ in range(3)])
    model.stage = stage
    return model


def batch(setting: Any) -> Any:
    """A batch of random examples [B, *shape]."""
    import numpy as np
    import tensorflow as tf

    shape, batch_size = setting[:2]
    return tf.constant(
        np.random.default_rng(0).uniform(size=(batch_size, *shape)).astype(np.float32)
    )


def describe(setting: Any) -> dict[str, Any]:
    """The numbers of a setting by name."""
    names = ("shape", "batch_size", "latent_dim", "num_components", "widths", "weights")
    return dict(zip(names, setting, strict=True))


def _naive_kl(batch_size: int) -> Callable:
    """Estimates the KL of one posterior a call, by TFP's density, as `player_losses.estimate_kl`."""
    import tensorflow as tf
    import tensorflow_probability as tfp

    from tf_sintrovae import objectives

    tfd = tfp.distributions

    def estimate(mean, logvar, eps, prior, statistics=False, mean_gradient=True):
        parts = mean.shape[0] // batch_size  # reconstructions and fakes come together
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(logits=prior.logits),
            tfd.MultivariateNormalDiag(prior.loc, tf.exp(0.5 * prior.logvar)),
        )
        kls, responsibilities = [], None
        for m, v, e in zip(
            tf.split(mean, parts), tf.split(logvar, parts), tf.split(eps, parts, 1), strict=True
        ):
            z = objectives.posterior_samples(m, v, e)
            kls.append(objectives.monte_carlo_kl(v, e, mixture.log_prob(z)))
            if statistics:
                marginal = mixture.posterior_marginal(z).probs_parameter()
                responsibilities = tf.reduce_mean(marginal, axis=0)
        return tf.concat(kls, axis=0), responsibilities

    return estimate


if __name__ == "__main__":
    main()
