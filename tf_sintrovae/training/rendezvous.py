"""Workers wait for each other before TensorFlow does, which would wait for ever, unmoved by Ctrl-C."""

import contextlib
import socket
import time
from collections.abc import Iterator

from tf_sintrovae.errors import UserError
from tf_sintrovae.training.cluster import Cluster

_POLL_SECONDS = 0.2


def wait_for_all(cluster: Cluster, seconds: float) -> None:
    """Returns once every other worker of the cluster can be reached.

    Each listens at its own address meanwhile. A worker that has met all goes on to TensorFlow, which listens
    there from then on, so that those who come later find it as well.

    Args:
        cluster: the workers.
        seconds: longest time to wait.

    Raises:
        UserError: another process has this worker's port, or workers were missing to the end.
    """
    deadline = time.monotonic() + seconds
    missing = [address for address in cluster.addresses if address != cluster.address]
    with _listen(cluster):
        while missing := [address for address in missing if not _answers(address)]:
            if time.monotonic() > deadline:
                raise UserError(
                    f"worker {cluster.index} of {len(cluster.addresses)} ({cluster.address}) waited "
                    f"{seconds:g} s for {', '.join(missing)}: start all workers with the same cluster in "
                    "TF_CONFIG, or give a longer --join_seconds"
                )
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _listen(cluster: Cluster) -> Iterator[None]:
    """Lets the others connect; the system does that alone, nobody needs to accept."""
    port = int(cluster.address.rpartition(":")[2])
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        door = socket.create_server(
            ("", port),
            family=family,
            backlog=len(cluster.addresses) + 16,
            dualstack_ipv6=both,
        )
    except OSError as error:
        raise UserError(
            f"port {port} of worker {cluster.index} ({cluster.address}) cannot be had ({error.strerror}): "
            "end the process that has it, or give all workers another address in TF_CONFIG"
        ) from error
    with door:
        yield


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2.0):
            return True
    except OSError:
        return False
