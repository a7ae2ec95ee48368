"""How many GPUs a setting scales to: a model of the time that workers spend on each other.

    python -m benchmarks.scaling --setting=cifar10 --step_ms=40 [--latency_us=20] [--output=scaling.json]

Each step, every replica sends its gradients round a ring of all of them. Their bytes are counted on the
setting's networks; the time of a step on one GPU, with the setting's batch, and the latency of a message
are the user's to measure and to give. Of two columns one keeps the batch over all (`--batch_size`), so that
each replica has less to do the more there are, the other the batch of each. What the model leaves out:
communication that overlaps with computation, which would help; the small reductions of logs, and of batch
norm (`--reductions` counts more), which would not.
"""

import dataclasses
from collections.abc import Sequence

from benchmarks import harness
from benchmarks.training_step import SETTINGS

GBIT = (1.0, 10.0, 25.0, 100.0, 400.0, 2400.0)  # the last is about that of NVLink
_MOST = 1024


@dataclasses.dataclass(frozen=True)
class Step:
    """What a training step needs.

    Attributes:
        seconds: its time on one replica.
        gradient_bytes: bytes of the gradients of all players.
        reductions: number of reductions that wait for each other.
    """

    seconds: float
    gradient_bytes: int
    reductions: int = 2

    def communication_seconds(
        self, replicas: int, bytes_per_second: float, latency: float
    ) -> float:
        """Time of all-reduces round a ring, each link of which passes nearly all bytes twice.

        Args:
            replicas: number of replicas in the ring.
            bytes_per_second: bandwidth of its slowest link.
            latency: time that a message takes, in seconds.
        """
        hops = 2 * (replicas - 1)
        transfer = hops / replicas * self.gradient_bytes / bytes_per_second
        return transfer + self.reductions * hops * latency

    def efficiency(
        self, replicas: int, bytes_per_second: float, latency: float, same_batch: bool
    ) -> float:
        """The share of its time that a replica trains.

        Args:
            replicas: number of replicas.
            bytes_per_second: as in `communication_seconds`.
            latency: as in `communication_seconds`.
            same_batch: whether the replicas share the batch of one; else each has as much.
        """
        own = self.seconds / replicas if same_batch else self.seconds
        return own / (own + self.communication_seconds(replicas, bytes_per_second, latency))

    def most_replicas(
        self,
        bytes_per_second: float,
        latency: float,
        same_batch: bool,
        efficiency: float = 0.9,
    ) -> int:
        """The greatest number of replicas, up to 1,024, of at least this efficiency."""
        return max(
            replicas
            for replicas in range(1, _MOST + 1)
            if self.efficiency(replicas, bytes_per_second, latency, same_batch) >= efficiency
        )


def main() -> None:
    """Prints a row for each bandwidth."""
    parser = harness.argument_parser(__doc__)
    parser.add_argument("--setting", default="cifar10", choices=list(SETTINGS))
    parser.add_argument("--step_ms", type=float, required=True, help="on one GPU, as measured")
    parser.add_argument("--latency_us", type=float, default=20.0, help="of one message")
    parser.add_argument("--reductions", type=int, default=2, help="that wait for each other")
    options = parser.parse_args()
    step = Step(options.step_ms / 1e3, count_gradient_bytes(options.setting), options.reductions)
    found = rows(step, GBIT, options.latency_us / 1e6)
    print(f"{options.setting}: {step.gradient_bytes / 1e6:.2f} MB of gradients a step")
    print(harness.table(found))
    if options.output:
        harness.write_json(options.output, found)


def count_gradient_bytes(setting: str) -> int:
    """Bytes of one step's gradients of encoder, decoder and mixture, in float32."""
    from tf_sintrovae import networks
    from tf_sintrovae.priors import MixturePrior

    shape, _, latent_dim, num_components, widths, _ = SETTINGS[setting]
    players = (
        *networks.build_networks(shape, latent_dim, widths),
        MixturePrior(num_components, latent_dim),
    )
    variables = [variable for player in players for variable in player.trainable_variables]
    return 4 * sum(variable.numpy().size for variable in variables)


def rows(step: Step, gbit: Sequence[float], latency: float) -> list[dict]:
    """How far a step scales over links of each of some bandwidths, in Gbit/s."""
    return [
        {
            "Gbit/s": bandwidth,
            "transfer ms": 1e3 * step.communication_seconds(2, bandwidth * 1e9 / 8, 0.0),
            "replicas at 90 %, same batch": step.most_replicas(bandwidth * 1e9 / 8, latency, True),
            "same batch each": step.most_replicas(bandwidth * 1e9 / 8, latency, False),
        }
        for bandwidth in gbit
    ]


if __name__ == "__main__":
    main()
