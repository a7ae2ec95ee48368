"""Flag files: what `--flagfile=PATH` and `--preset=NAME` stand for on a command line.

absl reads flag files too, but waits for ever on a pipe, shows tracebacks on bytes that are no text, and knows
no presets.
"""

import pathlib
import re
from collections.abc import Iterator, Sequence

from tf_sintrovae.errors import UserError
from tf_sintrovae.files import user_path

_CONFIGS = pathlib.Path(__file__).parent / "configs"
_LARGEST = 1_000_000  # bytes


def names() -> tuple[str, ...]:
    """Names of the flag files that come with the package."""
    return tuple(sorted(path.stem for path in _CONFIGS.glob("*.flags")))


def expand(arguments: Sequence[str], files: tuple[pathlib.Path, ...] = ()) -> list[str]:
    """The arguments with each `--flagfile` and `--preset` replaced by the lines of its file.

    Args:
        arguments: arguments of a command line, or lines of a flag file.
        files: the flag files that these arguments come from, the outermost first.

    Returns:
        The arguments in their order, so that the later of two for one flag wins.

    Raises:
        UserError: a file that is not there, is no text, or includes itself.
    """
    result: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            return [*result, argument, *remaining]
        match = re.fullmatch(r"--?(flagfile|preset)(?:=(.*))?", argument, re.S)
        if match is None:
            result.append(argument)
            continue
        kind, value = match.groups()
        value = next(remaining, "") if value is None else value
        path = _find_preset(value) if kind == "preset" else _find_path(value)
        result += _read_lines(path, files)
    return result


def _read_lines(path: pathlib.Path, files: tuple[pathlib.Path, ...]) -> list[str]:
    """The arguments in a flag file and in those that it includes."""
    if path in files:
        chain = " -> ".join(str(file) for file in (*files, path))
        raise UserError(f"flag file {path} includes itself: {chain}")
    return expand(list(_read_flags(_read_text(path))), (*files, path))


def _read_flags(text: str) -> Iterator[str]:
    """The lines but for empty ones and comments."""
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith(("#", "//")):
            yield line.strip()


def _read_text(path: pathlib.Path) -> str:
    try:
        if not path.is_file() and path.exists():
            raise UserError(f"flag file {path} is not a file: give --flagfile=PATH of a text file")
        if path.stat().st_size > _LARGEST:
            raise UserError(f"flag file {path} has more than {_LARGEST:,} bytes: is it one?")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"flag file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # bytes that are not UTF-8, or a NUL in the path
        raise UserError(f"flag file {str(path)!r} is not UTF-8 text: {error}") from error


def _find_path(value: str) -> pathlib.Path:
    if not value:
        raise UserError("--flagfile needs the path of a file: --flagfile=PATH")
    return user_path(value)


def _find_preset(name: str) -> pathlib.Path:
    if name not in names():
        raise UserError(f"preset {name!r} is unknown: expected one of {', '.join(names())}")
    return _CONFIGS / f"{name}.flags"
