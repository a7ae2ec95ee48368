"""What every command shares: flag parsing, one-line errors, exit codes."""

import contextlib
import logging
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from absl import app, flags
from absl import logging as absl_logging

from tf_sintrovae.errors import UserError

_CONFIGS = pathlib.Path(__file__).parent / "configs"
INCOMPLETE_EXIT_CODE = 3  # what was asked for is there, but for measures or pictures that failed
_INTERRUPTED = 130  # as a shell reports a process that ended by SIGINT


def run(main: Callable[[], None], argv: Sequence[str] | None = None) -> None:
    """Parses the flags, refuses stray arguments, and runs `main`; never returns.

    Args:
        main: the command, which takes its settings from the parsed flags.
        argv: program name and arguments; the process's own when None.

    Raises:
        SystemExit: code 0 on success, 2 after a `UserError` or a flag that cannot be parsed; the codes of
            all commands are listed in docs/evaluation.md.
    """

    def guarded(arguments: Sequence[str]) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
        try:
            if len(arguments) > 1:
                stray = " ".join(arguments[1:])
                raise UserError(f"stray arguments: {stray} (settings are given as --name=value)")
            main()
        except UserError as error:
            sys.exit(_report(error))
        except KeyboardInterrupt:  # outside training, which saves and ends by itself
            sys.exit(_report(UserError("interrupted"), _INTERRUPTED))

    app.run(guarded, argv=None if argv is None else list(argv), flags_parser=_parse_flags)


def end_incomplete(failed: Iterable[str]) -> None:
    """Names on one line what failed beside work that is done; ends with code 3 if anything did."""
    names = ", ".join(failed)
    if names:
        text = f"failed: {names} (why is told above and in the results); all else is done"
        sys.exit(_report(UserError(text), INCOMPLETE_EXIT_CODE))


def quieten_tensorflow() -> None:
    """Shows this package's log lines from INFO on, those of libraries from WARNING on, C++'s from ERROR.

    To be called before TensorFlow is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    absl_logging.set_verbosity(absl_logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("tf_sintrovae")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def import_tensorflow() -> None:
    """Imports TensorFlow without the lines that it writes before its log levels take effect.

    `TF_CPP_MIN_LOG_LEVEL` has no power over them. A value below 2 shows them, in case that an import fails.
    """
    with _muted_stderr() if os.environ["TF_CPP_MIN_LOG_LEVEL"] >= "2" else contextlib.nullcontext():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _muted_stderr() -> Iterator[None]:
    """Discards what is written to file descriptor 2; exceptions pass."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS([argv[0], *map(_expand_preset, _joined(argv[1:]))])
    except (flags.Error, UserError) as error:
        sys.exit(_report(error))


def _joined(arguments: Sequence[str]) -> Iterator[str]:
    """`--preset NAME` -> `--preset=NAME`; other arguments as they are."""
    remaining = iter(arguments)
    for argument in remaining:
        if re.fullmatch(r"--?preset", argument):
            argument += f"={next(remaining, '')}"
        yield argument


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


def _report(error: Exception, code: int = 2) -> int:
    """Prints `error` on one line; returns the exit code."""
    text = " ".join(str(error).split()).removeprefix("ERROR:: ")  # absl's, of flag files
    print(f"error: {text}", file=sys.stderr)
    return code
