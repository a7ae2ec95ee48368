"""A step reads variables and changes them; threads may not decide which comes first.

Looked at in the graph that runs, after TensorFlow's optimisations: its dependency optimiser takes an edge
away where a path stays, and at times (2.21) the path goes later. So it was between the encoder's read of the
prior's logits and their update, and about one run in thirty on a busy machine rounded differently.
"""

import collections

import keras
import pytest
import tensorflow as tf
from tensorflow.python.eager import context  # the one way to see the optimised graph

from tests.support.cases import Case, data
from tf_sintrovae.model import PRIOR_PLAYERS


def optimised_graph(function, *arguments):
    """The graph that TensorFlow runs for a `tf.function` that was not called yet."""
    context.enable_run_metadata()
    try:
        with context.collect_graphs(optimized=True) as graphs:
            function(*arguments)
    finally:
        context.disable_run_metadata()
    return max(graphs, key=lambda graph: len(graph.node))


def unordered_accesses(graph) -> list[tuple[str, str]]:
    """Pairs of a change of a variable and another access to it, of which either may come first."""
    after = collections.defaultdict(list)
    accesses = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            after[name.removeprefix("^").split(":")[0]].append(node.name)
        if "VariableOp" in node.op or node.op.startswith("ResourceApply"):
            accesses[node.input[0]].append(node)
    reached = {}

    def follows(node, other) -> bool:
        if other.name not in reached:
            seen, stack = set(), [other.name]
            while stack:
                new = set(after[stack.pop()]) - seen
                seen |= new
                stack += new
            reached[other.name] = seen
        return node.name in reached[other.name]

    return [
        (write.name, other.name)
        for nodes in accesses.values()
        for write in nodes
        if write.op != "ReadVariableOp"
        for other in nodes
        if other is not write and not follows(write, other) and not follows(other, write)
    ]


def test_an_unordered_access_is_found():
    variable = tf.Variable(1.0)

    @tf.function(autograph=False)
    def ordered():
        before = variable.read_value()
        variable.assign_sub(before)
        return before + variable.read_value()

    graph = optimised_graph(ordered)
    assert not unordered_accesses(graph)
    for node in graph.node:
        if node.op == "AssignSubVariableOp":
            node.input[:] = [name for name in node.input if not name.startswith("^")]
            node.input[1] = "elsewhere"
    assert unordered_accesses(graph)


@pytest.mark.parametrize(
    "stage, prior_player",
    [("vae", "none"), *(("introspective", player) for player in PRIOR_PLAYERS)],
)
@pytest.mark.parametrize(
    "case", [Case("points", "mixture"), Case("points", "vamp"), Case("images", "mixture")], ids=str
)
def test_every_change_of_a_variable_has_its_place(case, stage, prior_player):
    model = case.model(prior_player=prior_player)
    model.compile(*[keras.optimizers.Adam(1e-3) for _ in range(3)])
    model.stage = stage
    graph = optimised_graph(tf.function(model.train_step), tf.constant(data(case.shape)))
    assert not unordered_accesses(graph)
