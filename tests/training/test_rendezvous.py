"""Workers find each other, or say in one line who is missing; TensorFlow has no part in it."""

import contextlib
import socket
import threading
import time

import pytest

from tests.support.workers import free_ports
from tf_sintrovae.errors import UserError
from tf_sintrovae.training.cluster import Cluster
from tf_sintrovae.training.rendezvous import wait_for_all


def clusters(count):
    """The clusters that `count` workers on this machine see."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    return [Cluster({"worker": addresses}, "worker", index) for index in range(count)]


def test_workers_that_come_one_after_the_other_all_meet():
    met = []

    def come(cluster):
        time.sleep(0.3 * cluster.index)
        wait_for_all(cluster, 20.0)
        met.append(cluster.index)
        with socket.create_server(("127.0.0.1", int(cluster.address.rpartition(":")[2]))):
            ended.wait(20.0)  # TensorFlow listens there from now on

    ended = threading.Event()
    threads = [threading.Thread(target=come, args=(cluster,)) for cluster in clusters(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20.0
    while len(met) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    ended.set()
    for thread in threads:
        thread.join()
    assert sorted(met) == [0, 1, 2]


def test_those_who_are_missing_are_named_in_time():
    first, second = clusters(2)
    start = time.monotonic()
    with pytest.raises(UserError, match=f"worker 0 of 2 .* waited 0.5 s for {second.address}"):
        wait_for_all(first, 0.5)
    assert time.monotonic() - start < 5.0


def test_a_port_that_another_process_has_is_named():
    with contextlib.closing(socket.create_server(("", 0))) as other:
        port = other.getsockname()[1]
        cluster = Cluster({"worker": (f"localhost:{port}", "b:2")}, "worker", 0)
        with pytest.raises(UserError, match=f"port {port} of worker 0 .*in use"):
            wait_for_all(cluster, 1.0)
