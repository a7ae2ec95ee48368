"""The names that TensorBoard shows, by player, and which of them share a page."""

from collections.abc import Mapping, Sequence

from tensorboard.plugins.custom_scalar import layout_pb2

PLAYERS = ("encoder", "decoder", "prior")
EXAMPLES_PER_SECOND = "train/examples_per_second"
INACTIVE = "prior/inactive_components"
INACTIVE_BY_RESPONSIBILITY = "prior/inactive_components_by_responsibility"
WEIGHTS = "prior/weights"
LOG_VARIANCES = "prior/log_variances"
RESPONSIBILITIES = "prior/responsibilities"
PICTURES = "training"  # of the model in training; those of the trained one are named "figures"

_VALIDATION = "val_"
# By the names that Keras and `history.jsonl` have.
_BY_PLAYER = {
    "loss": "all_players/loss",
    "rec": "all_players/rec",
    "kl": "all_players/kl",
    "encoder_loss": "encoder/loss",
    "exp_elbo_rec": "encoder/exp_elbo_rec",
    "exp_elbo_fake": "encoder/exp_elbo_fake",
    "decoder_loss": "decoder/loss",
    "kl_rec": "decoder/kl_rec",
    "kl_fake": "decoder/kl_fake",
    "assignment_entropy": "prior/assignment_entropy",
}
# What lies on one page of the custom scalars, by heading and chart.
_PAGE: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Losses": {
        "VAE stage, all players": ("all_players/loss", "validation/loss"),
        "introspective stage": ("encoder/loss", "decoder/loss"),
        "reconstruction error": ("all_players/rec", "validation/rec"),
    },
    "KL divergences": {
        "of real, reconstructed and generated examples": (
            "all_players/kl",
            "decoder/kl_rec",
            "decoder/kl_fake",
        ),
        "of training and test split": ("all_players/kl", "validation/kl"),
        "the encoder's exponential terms": ("encoder/exp_elbo_rec", "encoder/exp_elbo_fake"),
    },
    "Prior": {
        "how evenly a batch uses the components": ("prior/assignment_entropy",),
        "inactive components": (INACTIVE, INACTIVE_BY_RESPONSIBILITY),
    },
    "Optimisation": {
        "learning rates": tuple(f"learning_rate/{player}" for player in PLAYERS),
        "examples per second": (EXAMPLES_PER_SECOND,),
    },
}


def scalar_name(metric: str) -> str:
    """The name of one of Keras' metrics: its player's, `validation/...`, or `further/...`."""
    if metric.startswith(_VALIDATION):
        return f"validation/{metric.removeprefix(_VALIDATION)}"
    return _BY_PLAYER.get(metric, f"further/{metric}")


def layout() -> layout_pb2.Layout:
    """The page of the custom scalars."""
    categories = [
        layout_pb2.Category(
            title=heading,
            chart=[
                layout_pb2.Chart(
                    title=title,
                    multiline=layout_pb2.MultilineChartContent(tag=[f"^{tag}$" for tag in tags]),
                )
                for title, tags in charts.items()
            ],
        )
        for heading, charts in _PAGE.items()
    ]
    return layout_pb2.Layout(category=categories)
