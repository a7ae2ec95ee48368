"""What each of the jobs side by side may use of the machine."""

import os
from collections.abc import Mapping, Sequence

_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def environments(
    num_jobs: int, gpus: Sequence[str] = (), num_cores: int | None = None
) -> list[dict[str, str]]:
    """Divides the cores, and the GPUs if any are named, among jobs.

    Args:
        num_jobs: number of jobs side by side; a single one has no limit.
        gpus: names of GPUs as CUDA_VISIBLE_DEVICES takes them; fewer than there are jobs are shared.
        num_cores: number of cores; those that this process may use when None.

    Returns:
        Environment variables of each job.
    """
    cores = num_cores or _num_cores()
    threads = str(max(1, cores // num_jobs))
    limits = dict.fromkeys(_THREADS, threads) if num_jobs > 1 else {}
    return [limits | _gpu_variables(slot, num_jobs, gpus) for slot in range(num_jobs)]


def num_threads(environment: Mapping[str, str]) -> int:
    """The number of threads that TensorFlow uses for one operation under these environment variables."""
    given = environment.get(_THREADS[0], "")
    return int(given) if given.isdecimal() and int(given) else _num_cores()


def _num_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _gpu_variables(slot: int, num_jobs: int, gpus: Sequence[str]) -> dict[str, str]:
    """The GPUs of a job; where several share one, none takes all of its memory at once."""
    if not gpus:
        return {}
    own = gpus[slot::num_jobs] or [gpus[slot % len(gpus)]]
    growth = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if len(gpus) < num_jobs else {}
    return {"CUDA_VISIBLE_DEVICES": ",".join(own)} | growth
