"""TensorFlow functions as XLA programs (HLO) whose inputs and outputs have names."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

# Of an HLO module's header: output {2} takes the place of parameter 5 where it says {2}: (5, {}, may-alias).
_ALIAS = re.compile(r"\{(\d+)\}: \((\d+), \{\}, \w+-alias\)")


class Program(NamedTuple):
    """A function of tensors and variables, as XLA gets it.

    Attributes:
        hlo: serialized `HloModuleProto`. Its outputs are the `values`, then the new values of the `updates`.
        inputs: names of its parameters: arguments, then variables.
        values: names of what the function returns.
        updates: names of the variables that it changes.
    """

    hlo: bytes
    inputs: list[str]
    values: list[str]
    updates: list[str]


def trace(
    function: Callable[..., dict[str, tf.Tensor] | None],
    arguments: Mapping[str, tf.Tensor],
    variables: Mapping[str, keras.Variable],
) -> Program:
    """The program of a function.

    Args:
        function: function of the arguments, in their order; it may read and assign the variables.
        arguments: example arguments by name; the program is for their shapes.
        variables: all variables that it may touch, by name.

    Raises:
        ValueError: it captures a tensor that is none of the variables, or XLA orders the outputs otherwise.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)
    graph = compiled.get_concrete_function(*arguments.values())
    names = {id(variable.value.handle): name for name, variable in variables.items()}
    captured = [names.get(id(tensor), "") for tensor in graph.captured_inputs]
    if "" in captured:
        raise ValueError(f"{graph.name} captures a tensor that is no variable of the run")
    values = sorted(graph.structured_outputs or {})  # the order in which TensorFlow flattens a dict
    ir = compiled.experimental_get_compiler_ir(*arguments.values())
    inputs = [*arguments, *captured]
    updates = _updates(ir(stage="hlo").split("\n", 1)[0], len(values), inputs)
    return Program(ir(stage="hlo_serialized"), inputs, values, updates)


def _updates(header: str, num_values: int, inputs: list[Any]) -> list[str]:
    """The variables whose new values follow the values, by the header of the module."""
    aliases = sorted((int(output), int(parameter)) for output, parameter in _ALIAS.findall(header))
    if [output for output, _ in aliases] != [num_values + i for i in range(len(aliases))]:
        raise ValueError(f"updated variables are expected after {num_values} values: {aliases}")
    return [inputs[parameter] for _, parameter in aliases]
