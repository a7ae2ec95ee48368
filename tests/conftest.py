"""Settings for the whole test run, made before TensorFlow is imported."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
# No data that the system happens to have, here and in commands: tests name those that they want.
os.environ["XDG_DATA_DIRS"] = "/nonexistent"


import pytest
import tensorflow as tf


def pytest_configure():
    """Makes two logical CPUs, for the tests of replicas; they must exist before any device is used.

    A shell's background jobs begin with SIGINT ignored, and so would the commands that tests interrupt.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def global_seed():
    """TensorFlow's global seed as commands have it by default, whatever the test before has set."""
    tf.random.set_seed(0)
