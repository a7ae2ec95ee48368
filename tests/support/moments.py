"""A run with everything that a run does, and moments at which to strike it from outside."""

import pathlib

# In the plane, with everything a run does: 2 stages, a hand-over, figures, export and metrics.
ARGUMENTS = (
    *("--dataset=8gaussians", "--widths=8", "--batch_size=16", "--latent_dim=2", "--seed=3"),
    *("--steps_per_epoch=20", "--epochs=12", "--vae_epochs=6", "--mixture_warmup_epochs=2"),
    *("--num_components=4", "--num_mc_samples=2", "--beta_neg=1", "--responsibility_reg=0"),
    *("--checkpoint_seconds=0", "--metrics=components,divergences"),
)


class Moment:
    """When to strike: a condition on the run's folder and output, then a random delay.

    Args:
        name: what the run is doing then.
        reached: takes the folder and the text printed so far.
        delay: largest delay after that, in seconds, drawn uniformly.
    """

    def __init__(self, name, reached, delay):
        self.name, self.reached, self.delay = name, reached, delay


def _any(folder: pathlib.Path, pattern: str) -> bool:
    return any(folder.glob(pattern))


TRAINING = Moment("training", lambda folder, _: (folder / "history.jsonl").exists(), 3.0)
HAND_OVER = Moment("hand-over", lambda folder, _: _any(folder, "checkpoints/ckpt-80.index"), 0.3)
WRITING = Moment("checkpoint write", lambda folder, _: _any(folder, "checkpoints/*temp*"), 0.002)
EXPORT = Moment("export", lambda folder, text: "trained to step" in text, 2.0)
EVALUATION = Moment("evaluation", lambda folder, text: "measuring" in text, 1.0)
