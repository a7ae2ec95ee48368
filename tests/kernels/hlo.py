"""Reading the programs that XLA compiles."""

import math
import re

import tensorflow as tf

# What programs for GPUs have none of: traffic with the host, code from elsewhere, conditionals, whose
# predicates are read on the host, and scatters, whose sums have the order of atomics.
FORBIDDEN = {"infeed", "outfeed", "send", "recv", "custom-call", "conditional", "scatter"}


def compile_text(function, *arguments, stage="optimized_hlo", **options):
    """The program of a function of tensors, as text; at stage "hlo" as it was traced, for any device."""
    jitted = tf.function(function, jit_compile=True, autograph=False)
    return jitted.experimental_get_compiler_ir(*arguments, **options)(stage=stage)


def operations(program):
    """The names of all operations of a program."""
    return set(re.findall(r" ([a-z][a-z-]*)\(", program))


def largest_buffer(program):
    """Elements of the largest array that a program stores: what is inside a fusion never is."""
    fused = set(re.findall(r"\bcalls=%?([\w.-]+)", program))
    sizes, inside = [1], False
    for line in program.splitlines():
        header = re.match(r"(?:ENTRY )?%?([\w.-]+) \(.*\) -> .*\{$", line)
        if header:
            inside = header.group(1) in fused
        elif not inside:
            shapes = re.findall(r"\b[a-z]+\d*\[([\d,]+)\]", line)
            sizes += [math.prod(map(int, shape.split(","))) for shape in shapes]
    return max(sizes)
