"""Several workers of one run as processes of this machine."""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from typing import IO, NamedTuple

from tests.support.runs import ROOT, main_arguments


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, all different."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [door.getsockname()[1] for door in doors]
    finally:
        for door in doors:
            door.close()


def worker_environment(ports: Sequence[int], index: int) -> dict[str, str]:
    """The environment of a worker on one core, so that two are not slower than they must be."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    one_thread = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    config = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
    # What a user has who sets nothing: the tests' own level would show lines of TensorFlow's.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    return os.environ | config | one_thread | quiet


class Ended(NamedTuple):
    """What a worker that has ended leaves."""

    returncode: int
    stdout: str
    stderr: str


def start_worker(
    arguments: Sequence[str], ports: Sequence[int], index: int, output: IO[str] | None = None
) -> subprocess.Popen:
    """Starts a worker, a command of any arguments, as the `index`-th of the cluster.

    Args:
        arguments: command line.
        ports: ports of all workers.
        index: index of this one.
        output: open file that takes what it writes; None for pipes, which `end_worker` reads.
    """
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.PIPE,
        text=True,
        env=worker_environment(ports, index),
    )


def end_worker(process: subprocess.Popen, seconds: float) -> Ended:
    """Waits for a worker; one that has not ended by then is killed, and the test fails."""
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"no end within {seconds} s: {stdout}\n{stderr}") from None
    return Ended(process.returncode, stdout, stderr)


def run_workers(arguments: Sequence[Sequence[str]], seconds: float = 300.0) -> list[Ended]:
    """Runs one worker for each command line to their ends."""
    ports = free_ports(len(arguments))
    processes = [start_worker(each, ports, index) for index, each in enumerate(arguments)]
    try:
        return [end_worker(process, seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()


def train_on_workers(count: int, *flags: str, seconds: float = 300.0) -> list[Ended]:
    """Runs the training command, with the same flags, as `count` workers."""
    return run_workers([main_arguments(*flags)] * count, seconds)
