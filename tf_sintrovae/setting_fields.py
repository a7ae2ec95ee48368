"""A setting: a field of a dataclass that also describes its flag, its limits and its place in a flag file.

A dataclass of settings is the only list of them: flags, files and documentation are made of its fields.
Nothing here imports TensorFlow.
"""

import dataclasses
import types
import typing
from typing import Any

from absl import flags

from tf_sintrovae.errors import UserError

# What a number may be at most where nothing else is said: a size of TensorFlow, a weight in float32.
_MOST = {int: 2**31 - 1, float: 1e30}
_LONGEST_LIST = 64
# What Python may hold for a setting of a kind, and how to say it.
_ACCEPTED: dict[type, Any] = {bool: bool, int: int, float: (int, float), str: str}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_DEFINERS: dict[type, Any] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}

flags.disclaim_key_flags()  # --help lists a flag with the module that has the dataclass


def setting(
    default: Any,
    help_text: str,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A dataclass field that is a setting.

    Args:
        default: value of the setting where none is given.
        help_text: help of its flag.
        choices: values that are allowed; any when empty.
        least: lower limit of its numbers.
        most: upper limit of its numbers; that of their type when None.
    """
    metadata = {"help": help_text, "choices": choices, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata)


def check(field: dataclasses.Field, value: Any) -> None:
    """Checks the type and the limits of a setting's value.

    Raises:
        UserError: a value that the setting cannot have.
    """
    optional, kind = kind_of(field)
    if value is None and optional:
        return
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"{field.name}={value}: expected one of {', '.join(choices)}")
    if kind is tuple:
        _check_list(field, value)
    elif not isinstance(value, _ACCEPTED[kind]) or (kind is not bool and isinstance(value, bool)):
        raise UserError(f"{field.name}={value!r}: expected {_WORDS[kind]}")
    elif kind is str:
        _check_text(field.name, value)
    elif kind is not bool:
        _check_limits(field, value, kind)


def define_flag(field: dataclasses.Field, values: flags.FlagValues) -> None:
    """Defines the flag of a setting."""
    name, help_text = field.name, field.metadata["help"]
    default: Any = field.default
    _, kind = kind_of(field)
    if field.metadata["choices"]:
        flags.DEFINE_enum(name, default, field.metadata["choices"], help_text, flag_values=values)
        return
    if kind is tuple:
        default = list(map(str, default))
    _DEFINERS[kind](name, default, help_text, flag_values=values)


def read_flags(settings: type, values: flags.FlagValues) -> dict[str, Any]:
    """The settings of a dataclass as the parsed flags give them.

    Raises:
        UserError: a list with entries of another type.
    """
    read: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value: Any = values[field.name].value
        read[field.name] = _entries(field, value) if kind_of(field)[1] is tuple else value
    return read


def flag(name: str, value: Any) -> str:
    """A setting as an argument of the command line, or as a line of a flag file."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value}"


def kind_of(field: dataclasses.Field) -> tuple[bool, type]:
    """Whether a setting may be None, and the type that its values have otherwise."""
    declared: Any = field.type
    members = typing.get_args(declared) if isinstance(declared, types.UnionType) else ()
    kind = next((t for t in members if t is not type(None)), declared)
    return type(None) in members, typing.get_origin(kind) or kind


def _item_kind(field: dataclasses.Field) -> type:
    """The type of the entries of a list."""
    return typing.get_args(field.type)[0]


def _check_list(field: dataclasses.Field, value: Any) -> None:
    kind = _item_kind(field)
    if not isinstance(value, tuple) or any(type(item) is not kind for item in value):
        raise UserError(f"{field.name}={value!r}: expected a list, each entry {_WORDS[kind]}")
    if len(value) > _LONGEST_LIST:
        raise UserError(f"{field.name}: expected at most {_LONGEST_LIST} entries, not {len(value)}")
    for item in value:
        if kind is int:
            _check_limits(field, item, int)
        else:
            _check_entry(field.name, item)


def _check_entry(name: str, text: str) -> None:
    """Refuses a text that cannot be told from its neighbours in a list."""
    _check_text(name, text)
    if set(text) & set(',"'):
        raise UserError(f"{name}={text!r}: expected entries without commas and quotes")


def _check_limits(field: dataclasses.Field, value: float, kind: type) -> None:
    least, most = field.metadata["least"], field.metadata["most"] or _MOST[kind]
    if not least <= value <= most:
        limit = f"{most:,}" if kind is int else f"{most:g}"
        raise UserError(
            f"{field.name}={value}: expected a finite number of at least {least:g} and at most {limit}"
        )


def _check_text(name: str, value: str) -> None:
    """Refuses what a flag file or a file system cannot hold."""
    if not value or value != value.strip() or not value.isprintable():
        raise UserError(
            f"{name}={value!r}: expected text, without blanks around it or control characters"
        )


def _entries(field: dataclasses.Field, texts: list[str]) -> tuple:
    """The entries of a list from a flag's texts."""
    kind = _item_kind(field)
    try:
        return tuple(kind(text) for text in texts)
    except ValueError as error:
        raise UserError(
            f"{field.name}={','.join(texts)}: expected whole numbers separated by commas"
        ) from error
