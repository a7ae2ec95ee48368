"""TensorFlow's strategy over several machines, and what is said when one of them is lost."""

import contextlib
import faulthandler
import os
import signal
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.eager import context  # the only way to the time limits

from tf_sintrovae.errors import LostWorkerError, UserError
from tf_sintrovae.training import rendezvous
from tf_sintrovae.training.cluster import Cluster

# A worker that says nothing for so long, because its machine has vanished for example, is taken for lost.
SILENCE_SECONDS = 30
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError)
_ABORTED = "Collective ops is aborted"  # under which kind of error ever


def make_strategy(cluster: Cluster, join_seconds: float) -> tf.distribute.Strategy:
    """Waits for all workers, and makes the strategy over them.

    Nothing else of TensorFlow may have been used in this process.

    Args:
        cluster: the workers.
        join_seconds: longest time to wait for them.

    Raises:
        UserError: some did not come in time, or this one's port is in use.
    """
    rendezvous.wait_for_all(cluster, join_seconds)
    os.environ["TF_CONFIG"] = cluster.to_json()  # Slurm's, or with an index that was text
    _limit_times(cluster, join_seconds)
    try:
        with _end_after(join_seconds + SILENCE_SECONDS), _kept_handler(signal.SIGTERM):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"worker {cluster.index} of {len(cluster.addresses)} ({cluster.address}) cannot train with the "
            f"others at {', '.join(cluster.addresses)} ({reason}): start all again, with the same cluster in "
            "TF_CONFIG and an index of its own for each"
        ) from error


@contextlib.contextmanager
def lost_worker_errors(cluster: Cluster) -> Iterator[None]:
    """Turns what TensorFlow raises when another worker is gone into a LostWorkerError."""
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(error, _LOST) and _ABORTED not in str(error):
            raise
        raise LostWorkerError(
            f"worker {cluster.index} of {len(cluster.addresses)} has lost another one, which ended or cannot "
            "be reached: give all workers the same commands again, to continue from the last checkpoint"
        ) from error


@contextlib.contextmanager
def _end_after(seconds: float) -> Iterator[None]:
    """Ends the process, with code 1, where TensorFlow waits for so long.

    That is for workers lost right after they were met: TensorFlow then waits with Python's lock held, and
    neither Ctrl-C nor another thread could end it.
    """
    with open(os.devnull, "w") as nothing:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nothing)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _kept_handler(number: int) -> Iterator[None]:
    """Puts a signal's handler back in force, which TensorFlow replaces by its own."""
    try:
        yield
    finally:
        signal.signal(number, signal.getsignal(number))


def _limit_times(cluster: Cluster, join_seconds: float) -> None:
    """As the strategy would set up TensorFlow's service of workers, but with limits of times."""
    jobs = [
        context.coordination_config_pb2.CoordinatedJob(name=name, num_tasks=len(addresses))
        for name, addresses in cluster.jobs.items()
    ]
    leader = "chief" if "chief" in cluster.jobs else "worker"
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{leader}/replica:0/task:0",
        coordinated_jobs=jobs,
        cluster_register_timeout_in_ms=int(join_seconds * 1000),
        heartbeat_timeout_in_ms=SILENCE_SECONDS * 1000,
    )
