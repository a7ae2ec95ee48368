"""Reading the programs that XLA compiles."""

import math
import re

import tensorflow as tf


def compile_text(function, *arguments, **options):
    """The optimised program of a function of tensors, as text."""
    jitted = tf.function(function, jit_compile=True, autograph=False)
    return jitted.experimental_get_compiler_ir(*arguments, **options)(stage="optimized_hlo")


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
