"""Which machines train a model together: `TF_CONFIG`, or Slurm's environment, read and checked.

TensorFlow is imported for Slurm alone, so that a wrong `TF_CONFIG` is answered at once.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from tf_sintrovae.errors import UserError

_EXAMPLE = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# Jobs of one user's on one machine get ports of their own, under those that systems give out.
_SLURM_PORTS = range(12_000, 32_000)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train one model, and which of them this one is.

    Attributes:
        jobs: addresses `host:port` of the processes by the name of their job, `chief` or `worker`.
        task_type: job of this process.
        task_index: index of this process in its job.
    """

    jobs: Mapping[str, tuple[str, ...]]
    task_type: str
    task_index: int

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses; the first one is the chief's."""
        return (*self.jobs.get("chief", ()), *self.jobs.get("worker", ()))

    @property
    def index(self) -> int:
        """Index of this process among all."""
        return self.task_index + (len(self.jobs.get("chief", ())) if self._is_worker else 0)

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that writes."""
        return self.index == 0

    @property
    def address(self) -> str:
        """Address of this process."""
        return self.addresses[self.index]

    @property
    def _is_worker(self) -> bool:
        return self.task_type == "worker"

    def to_json(self) -> str:
        """The value of `TF_CONFIG` that stands for this cluster and process."""
        jobs = {name: list(addresses) for name, addresses in self.jobs.items()}
        task = {"type": self.task_type, "index": self.task_index}
        return json.dumps({"cluster": jobs, "task": task})


def find_cluster(strategy: str, environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that a run is to be spread over.

    Args:
        strategy: the setting; `auto` takes several workers of `TF_CONFIG`, `multi_worker` those of Slurm as
            well, the others look for none.
        environment: environment variables.

    Returns:
        The cluster, or None where this process trains alone, as it also does in a cluster of one.

    Raises:
        UserError: `TF_CONFIG` or Slurm's variables are wrong, or missing where they are needed.
    """
    if strategy not in ("auto", "multi_worker"):
        return None
    text = environment.get("TF_CONFIG", "").strip()
    if text:
        cluster = parse_cluster(text)
    elif strategy == "auto":
        return None
    elif "SLURM_STEP_NUM_TASKS" in environment:
        cluster = _read_slurm(environment)
    else:
        raise UserError(
            "strategy=multi_worker finds no workers: set TF_CONFIG on each of them (docs/scaling.md), or "
            "start them by Slurm's srun"
        )
    return cluster if len(cluster.addresses) > 1 else None


def parse_cluster(text: str) -> Cluster:
    """Reads the value of `TF_CONFIG`.

    Raises:
        UserError: it is not JSON, or names no cluster that could train together.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _wrong(f"is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _wrong("is no JSON object")
    jobs = _read_jobs(value.get("cluster"))
    task_type, index = _read_task(value.get("task"), jobs)
    return Cluster(jobs, task_type, index)


def _read_jobs(cluster: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(cluster, dict) or not cluster:
        raise _wrong("has no cluster")
    for name, addresses in cluster.items():
        if name not in ("chief", "worker"):
            raise _wrong(
                f"names the job {name!r}: expected chief and worker alone (the chief evaluates)"
            )
        if not isinstance(addresses, list) or not addresses:
            raise _wrong(f"has no list of addresses for the job {name!r}")
    jobs = {name: tuple(map(_check_address, addresses)) for name, addresses in cluster.items()}
    if len(jobs.get("chief", ())) > 1:
        raise _wrong(f"names {len(jobs['chief'])} chiefs: expected one")
    every = [address for addresses in jobs.values() for address in addresses]
    twice = next((address for address in every if every.count(address) > 1), None)
    if twice is not None:
        raise _wrong(f"names the address {twice} twice")
    return jobs


def _check_address(address: Any) -> str:
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or not (port.isdecimal() and 0 < int(port) < 2**16):
        raise _wrong(f"has the address {address!r}: expected host:port, ports from 1 to 65535")
    return address


def _read_task(task: Any, jobs: Mapping[str, tuple[str, ...]]) -> tuple[str, int]:
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        raise _wrong("has no task with type and index")
    name, index = task["type"], task["index"]
    if not isinstance(name, str) or name not in jobs:
        raise _wrong(f"gives this process the task {name!r}: expected one of {', '.join(jobs)}")
    if isinstance(index, str) and index.isdecimal():  # as some launchers write it
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(jobs[name]):
        raise _wrong(
            f"gives this process the index {index!r}: expected 0 to {len(jobs[name]) - 1}, one of the "
            f"addresses of the job {name!r}"
        )
    return name, index


def _wrong(what: str) -> UserError:
    return UserError(f"TF_CONFIG {what}; it should look like {_EXAMPLE}")


def _read_slurm(environment: Mapping[str, str]) -> Cluster:
    """One worker a task of the Slurm step, by TensorFlow's own reading of its variables."""
    import tensorflow as tf

    job = environment.get("SLURM_JOB_ID", "0")
    first = _SLURM_PORTS[int(job) % len(_SLURM_PORTS) if job.isdecimal() else 0]
    try:
        tasks = int(environment["SLURM_STEP_NUM_TASKS"])
        # Slurm itself binds GPUs to tasks (--gpus-per-task); the numbers only keep the resolver from asking.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=first, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = tuple(resolver.cluster_spec().as_dict()["worker"])
        return Cluster({"worker": addresses}, resolver.task_type, resolver.task_id)
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Slurm's variables do not tell the workers ({error}): start them by srun, or set TF_CONFIG"
        ) from error
