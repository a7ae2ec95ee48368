"""What every command shares: flag parsing, one-line errors, exit codes."""

import sys
from collections.abc import Callable, Sequence

from absl import app, flags

from tf_sintrovae.errors import UserError


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


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(list(argv))
    except (flags.Error, UserError) as error:
        sys.exit(_report(error))


def _report(error: Exception) -> int:
    """Prints `error` on one line; returns the exit code for bad input."""
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
