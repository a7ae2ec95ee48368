"""Turns the HLO of an export into JAX exports, which any later JAX runs through its public `jax.export`.

    python -m benchmarks.hlo.convert FOLDER

Each program becomes a function `(changed, read, inputs) -> (changed, values)`: dicts of variables that it
changes and that it only reads, a tuple of arguments, a dict of values. Parts of JAX that are not public are
used in this file alone, so that the machine with the GPU may have another version. The exports run this by
themselves.
"""

import json
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.export  # a module of its own
from jax.extend.core import Primitive
from jax.interpreters import mlir
from jaxlib import _jax, xla_client
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import func

from benchmarks import harness
from benchmarks.hlo.bundle import program_path

PLATFORMS = ("cpu", "cuda")
_COPY = re.compile(r"mhlo\.copy (%\S+) ([^:]*): (tensor<\S+>)")
_TYPES = {
    "bf16": "bfloat16",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "i1": "bool",
    "i32": "int32",
    "i64": "int64",
    "ui32": "uint32",
    "ui64": "uint64",
}


class Signature(NamedTuple):
    """Shapes and types of a program's parameters and results."""

    parameters: list[jax.ShapeDtypeStruct]
    results: list[jax.ShapeDtypeStruct]


def main() -> None:
    """Converts the export in the folder that is the argument."""
    jax.config.update("jax_enable_x64", True)
    (folder,) = map(pathlib.Path, sys.argv[1:])
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    for name, program in meta["programs"].items():
        hlo = program_path(folder, name, "hlo")
        data, program["flops"] = convert(hlo.read_bytes(), program)
        program_path(folder, name).write_bytes(data)
        hlo.unlink()
        print(f"{name}: {len(data) / 1e6:.2f} MB, {program['flops'] / 1e9:.4g} GFLOP", flush=True)
    harness.write_json(str(folder / "meta.json"), meta)


def convert(hlo: bytes, program: dict[str, Any]) -> tuple[bytes, float]:
    """The JAX export of a program, and the floating-point operations that XLA counts in it.

    Args:
        hlo: serialized `HloModuleProto`.
        program: names of its `inputs`, `values` and `updates`.
    """
    text = _stablehlo(hlo)
    signature = read_signature(text)
    inputs = dict(zip(program["inputs"], signature.parameters, strict=True))
    variables = {name: type_ for name, type_ in inputs.items() if "/" in name}
    changed = {name: variables.pop(name) for name in program["updates"]}
    arguments = tuple(type_ for name, type_ in inputs.items() if "/" not in name)
    function = jax.jit(_named(text, signature, program))
    exported = jax.export.export(function, platforms=PLATFORMS)(changed, variables, arguments)
    # Counted in the compiled program: what TensorFlow traced has parts that nothing needs.
    compiled = jax.jit(exported.call).lower(changed, variables, arguments).compile()
    return exported.serialize(vjp_order=0), float(compiled.cost_analysis().get("flops", 0.0))


def read_signature(text: str) -> Signature:
    """The signature of the function `main` of a StableHLO module."""
    with mlir.make_ir_context():
        operations = ir.Module.parse(text).body.operations
        (main,) = [
            op for op in operations if ir.StringAttr(op.attributes["sym_name"]).value == "main"
        ]
        return Signature(
            *(list(map(_read_type, types)) for types in (main.type.inputs, main.type.results))
        )


def _read_type(type_: ir.Type) -> jax.ShapeDtypeStruct:
    tensor = ir.RankedTensorType(type_)
    return jax.ShapeDtypeStruct(tuple(tensor.shape), _TYPES[str(tensor.element_type)])


def _stablehlo(hlo: bytes) -> str:
    """HLO as the text of a StableHLO module."""
    text = _jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(hlo))
    # TensorFlow copies what it returns in its place; StableHLO has no copy, and needs none.
    return _COPY.sub(r"stablehlo.reshape \1 : (\3) -> \3", text)


def _named(text: str, signature: Signature, program: dict[str, Any]) -> Callable:
    """The function `(changed, read, inputs) -> (changed, values)` that runs a module."""
    count = len(program["values"])
    names = [name for name in program["inputs"] if "/" not in name]

    def function(changed, read, inputs):
        given = changed | read | dict(zip(names, inputs, strict=True))
        arguments = [given[name] for name in program["inputs"]]
        results = inline.bind(*arguments, text=text, results=tuple(signature.results))
        values = dict(zip(program["values"], results[:count], strict=True))
        return dict(zip(program["updates"], results[count:], strict=True)), values

    return function


# A JAX operation that stands for the whole of a StableHLO module.
inline = Primitive("inline_module")
inline.multiple_results = True
inline.def_abstract_eval(
    lambda *arguments, text, results: [jax.core.ShapedArray(r.shape, r.dtype) for r in results]
)


def _lower(ctx, *arguments, text, results):
    module = ir.Module.parse(text)
    name = mlir.merge_mlir_modules(
        ctx.module_context.module, "step", module, dst_symtab=ctx.module_context.symbol_table
    )
    types = [mlir.aval_to_ir_type(ctx.module_context, aval) for aval in ctx.avals_out]
    return func.CallOp(types, ir.FlatSymbolRefAttr.get(name), list(arguments)).results


mlir.register_lowering(inline, _lower)

if __name__ == "__main__":
    main()
