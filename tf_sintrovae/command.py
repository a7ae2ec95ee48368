"""What every command shares: flag parsing, one-line errors, exit codes."""

import logging
import os
import pathlib
import re
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging

from tf_sintrovae.errors import UserError

_CONFIGS = pathlib.Path(__file__).parent / "configs"


def run(main: Callable[[], None], argv: Sequence[str] | None = None) -> None:
    """Parses the flags, refuses stray arguments, and runs `main`; never returns.

    Args:
        main: the command, which takes its settings from the parsed flags.
        argv: program name and arguments; the process's own when None.

    Raises:
        SystemExit: code 0 on success, 2 after a `UserError` or a flag that cannot be parsed.
    """

    def guarded(arguments: Sequence[str]) -> None:
        try:
            if len(arguments) > 1:
                stray = " ".join(arguments[1:])
                raise UserError(f"stray arguments: {stray} (settings are given as --name=value)")
            main()
        except UserError as error:
            sys.exit(_report(error))

    app.run(guarded, argv=None if argv is None else list(argv), flags_parser=_parse_flags)


def quieten_tensorflow() -> None:
    """Shows this package's log lines from INFO on, those of libraries from WARNING on, C++'s from ERROR.

    To be called before TensorFlow is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "2")
    absl_logging.set_verbosity(absl_logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("tf_sintrovae")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS([argv[0], *map(_expand_preset, argv[1:])])
    except (flags.Error, UserError) as error:
        sys.exit(_report(error))


def _expand_preset(argument: str) -> str:
    """`--preset=NAME` -> `--flagfile=` the flag file of that name inside the package."""
    match = re.fullmatch(r"--?preset=(.*)", argument)
    if match is None:
        return argument
    path = _CONFIGS / f"{match[1]}.flags"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in _CONFIGS.glob("*.flags")))
        raise UserError(f"preset {match[1]!r} is unknown: expected one of {known}")
    return f"--flagfile={path}"


def _report(error: Exception) -> int:
    """Prints `error` on one line; returns the exit code for bad input."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
