"""Cores and GPUs divided among jobs."""

import pytest

from tf_sintrovae.sweeps.resources import environments, num_threads


def test_a_single_job_has_the_whole_machine():
    assert environments(1, num_cores=8) == [{}]


def test_threads_are_counted():
    assert num_threads({"TF_NUM_INTRAOP_THREADS": "3"}) == 3
    assert num_threads({}) == num_threads({"TF_NUM_INTRAOP_THREADS": "0"}) >= 1


@pytest.mark.parametrize(("jobs", "cores", "threads"), [(2, 8, "4"), (3, 8, "2"), (4, 2, "1")])
def test_threads_are_divided(jobs, cores, threads):
    for variables in environments(jobs, num_cores=cores):
        assert variables["TF_NUM_INTRAOP_THREADS"] == threads
        assert variables["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize(
    ("jobs", "gpus", "visible", "shared"),
    [
        (1, ["0", "1"], ["0,1"], False),
        (2, ["0", "1", "2"], ["0,2", "1"], False),
        (3, ["4", "5"], ["4", "5", "4"], True),
    ],
)
def test_gpus_are_divided(jobs, gpus, visible, shared):
    found = environments(jobs, gpus, num_cores=4)
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in found] == visible
    assert all(("TF_FORCE_GPU_ALLOW_GROWTH" in variables) == shared for variables in found)
