"""Which workers there are, by TF_CONFIG and by Slurm; one clear line for every kind of wrong value."""

import json

import pytest

from tf_sintrovae.errors import UserError
from tf_sintrovae.training.cluster import Cluster, find_cluster, parse_cluster

TWO = {"worker": ["a:1", "b:2"]}


def config(cluster, task_type="worker", index=0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": task_type, "index": index}})


def test_workers_are_numbered_and_the_first_is_the_chief():
    first, second = (parse_cluster(config(TWO, index=index)) for index in range(2))
    assert first.addresses == second.addresses == ("a:1", "b:2")
    assert (first.index, second.index) == (0, 1)
    assert first.is_chief and not second.is_chief
    assert second.address == "b:2"


def test_a_chief_comes_before_the_workers():
    cluster = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    worker = parse_cluster(config(cluster, "worker", "1"))
    assert worker.addresses == ("c:3", "a:1", "b:2")
    assert worker.index == 2 and not worker.is_chief
    assert parse_cluster(config(cluster, "chief")).is_chief


def test_what_is_read_is_written_again():
    cluster = parse_cluster(config(TWO, index=1))
    assert parse_cluster(cluster.to_json()) == cluster


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{worker", "not JSON"),
        ("[1]", "no JSON object"),
        ("{}", "has no cluster"),
        (json.dumps({"cluster": TWO}), "has no task"),
        (json.dumps({"cluster": TWO, "task": {"type": "worker"}}), "has no task"),
        (config({"worker": []}), "no list of addresses for the job 'worker'"),
        (config({"worker": "a:1"}), "no list of addresses"),
        (config({"worker": ["a"]}), "the address 'a': expected host:port"),
        (config({"worker": ["a:b"]}), "the address 'a:b'"),
        (config({"worker": ["a:70000"]}), "the address 'a:70000'"),
        (config({"worker": [["a:1"]]}), "the address \\['a:1'\\]"),
        (config({"worker": ["a:1", "a:1"]}), "the address a:1 twice"),
        (config({"chief": ["a:1"], "worker": ["a:1"]}), "the address a:1 twice"),
        (config({"chief": ["a:1", "b:1"]}, "chief"), "2 chiefs"),
        (config(TWO | {"ps": ["c:3"]}), "the job 'ps': expected chief and worker"),
        (config(TWO | {"evaluator": ["c:3"]}), "the job 'evaluator'"),
        (config(TWO, "chief"), "the task 'chief': expected one of worker"),
        (config(TWO, "evaluator"), "the task 'evaluator'"),
        (config(TWO, index=2), "the index 2: expected 0 to 1"),
        (config(TWO, index=-1), "the index -1"),
        (config(TWO, index=True), "the index True"),
        (config(TWO, index="one"), "the index 'one'"),
    ],
)
def test_a_wrong_value_is_one_clear_line_with_an_example(text, message):
    with pytest.raises(UserError, match=message) as raised:
        find_cluster("multi_worker", {"TF_CONFIG": text})
    assert str(raised.value).startswith("TF_CONFIG ")
    assert '"task"' in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_auto_takes():
    two, one = ({"TF_CONFIG": config({"worker": workers})} for workers in (["a:1", "b:2"], ["a:1"]))
    assert find_cluster("auto", two) == parse_cluster(two["TF_CONFIG"])
    for strategy in ("single", "mirrored"):
        assert find_cluster(strategy, two) is None
    for strategy in ("auto", "multi_worker"):  # a cluster of one is this machine alone
        assert find_cluster(strategy, one) is None
    assert find_cluster("auto", {}) is None
    assert find_cluster("auto", {"SLURM_STEP_NUM_TASKS": "2"}) is None
    with pytest.raises(UserError, match="finds no workers: set TF_CONFIG"):
        find_cluster("multi_worker", {})


SLURM = {
    "SLURM_PROCID": "3",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "node[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_JOB_ID": "20005",
}


def slurm(monkeypatch, **changes) -> Cluster | None:
    """The cluster in an environment, which TensorFlow's resolver reads itself."""
    variables = SLURM | changes
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return find_cluster("multi_worker", variables)


def test_the_tasks_of_a_slurm_step_are_workers(monkeypatch):
    cluster = slurm(monkeypatch)
    assert cluster is not None
    assert cluster.addresses == ("node07:12005", "node07:12006", "node08:12005", "node08:12006")
    assert cluster.index == 3
    assert slurm(monkeypatch, SLURM_PROCID="0").is_chief


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_STEP_TASKS_PER_NODE": "two"},
        {"SLURM_STEP_NUM_TASKS": "many"},
        {"SLURM_STEP_NUM_TASKS": "5"},
        {"SLURM_STEP_NODELIST": "node[1"},
    ],
)
def test_wrong_variables_of_slurm_are_one_clear_line(changes, monkeypatch):
    with pytest.raises(UserError, match="Slurm's variables do not tell the workers"):
        slurm(monkeypatch, **changes)
