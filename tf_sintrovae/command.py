"""What every command shares: flag parsing, one-line errors, exit codes."""

import contextlib
import logging
import os
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn, TextIO

import absl.logging
from absl import app, flags

from tf_sintrovae import files, flag_files
from tf_sintrovae.errors import LostWorkerError, UserError

INCOMPLETE_EXIT_CODE = 3  # what was asked for is there, but for metrics or figures that failed
INTERRUPTED = 130  # by Ctrl-C, as a shell reports it, or by SIGTERM

flags.disclaim_key_flags()  # --help lists this module's flags with the command that runs


def run(
    main: Callable[..., None],
    argv: Sequence[str] | None = None,
    operand: str | None = None,
    several: bool = False,
) -> None:
    """Parses the flags, refuses stray arguments, and runs `main`; never returns.

    Args:
        main: function that is the command, and takes its settings from the parsed flags.
        argv: program name and arguments; those of the process when None.
        operand: name of the one argument that is no flag, which `main` is called with; None without any.
        several: whether there may be more than one such argument.

    Raises:
        SystemExit: code 0 on success, 2 after a `UserError`, a flag that cannot be parsed, a full disk or
            lack of memory, 130 after Ctrl-C or SIGTERM; the codes of all commands are listed in
            docs/evaluation.md.
    """

    def run_main(arguments: Sequence[str]) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
        try:
            operands = _take_operands(arguments[1:], operand, several)
            signal.signal(signal.SIGTERM, _interrupt)
            with files.full_disk_errors("output"), _memory_errors(), _muted_stdout(is_quiet()):
                main(*operands)
        except LostWorkerError as error:
            _end_at_once(_report(error))
        except UserError as error:
            sys.exit(_report(error))
        except KeyboardInterrupt:  # outside training, which saves and ends by itself
            sys.exit(_report(UserError("interrupted"), INTERRUPTED))

    if "quiet" not in flags.FLAGS:
        flags.DEFINE_bool("quiet", False, "print errors and warnings alone")
    app.run(run_main, argv=None if argv is None else list(argv), flags_parser=_parse_flags)


def end_incomplete(failed: Iterable[str]) -> None:
    """Names on one line what failed beside work that is done; ends with code 3 if anything did."""
    names = ", ".join(failed)
    if names:
        text = f"failed: {names} (why is told above and in the results); all else is done"
        sys.exit(_report(UserError(text), INCOMPLETE_EXIT_CODE))


def is_quiet() -> bool:
    """Whether `--quiet` is given to the command that runs."""
    return flags.FLAGS.is_parsed() and "quiet" in flags.FLAGS and flags.FLAGS.quiet


def progress_stream() -> TextIO:
    """The stream on which progress is told beside what a command prints: stderr, none with `--quiet`."""
    return sys.stdout if is_quiet() else sys.stderr


def quieten_tensorflow() -> None:
    """Shows this package's log lines from INFO on, those of libraries from WARNING on, C++'s from ERROR.

    With `--quiet` also this package's from WARNING on. To be called before TensorFlow is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    absl.logging.set_verbosity(absl.logging.WARNING)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("tf_sintrovae")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if is_quiet() else logging.INFO)
    logger.propagate = False


def import_tensorflow() -> None:
    """Imports TensorFlow without the lines that it writes before its log levels take effect.

    `TF_CPP_MIN_LOG_LEVEL` has no power over them. A value below 2 shows them, in case that an import fails.
    """
    with _mute_stderr() if os.environ["TF_CPP_MIN_LOG_LEVEL"] >= "2" else contextlib.nullcontext():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _muted_stdout(muted: bool) -> Iterator[None]:
    """Discards what Python writes to stdout, if it is to be muted."""
    if not muted:
        yield
        return
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        yield


@contextlib.contextmanager
def _mute_stderr() -> Iterator[None]:
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


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    """SIGTERM does what Ctrl-C does: what was begun is removed, what is complete stays."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    """Turns a lack of memory, in Python or in TensorFlow, into a UserError."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        detail = next(iter(str(error).splitlines()), "")
        raise UserError(
            "out of memory: give a smaller batch_size, num_mc_samples, num_components, latent_dim or widths "
            f"({detail})"
        ) from error


def _take_operands(arguments: Sequence[str], operand: str | None, several: bool) -> Sequence[str]:
    """The arguments that are no flags: the operand or operands if the command has any, and nothing else.

    Raises:
        UserError: more of them, or none though there is an operand.
    """
    count = 0 if operand is None else 1
    if len(arguments) > count and not several:
        stray = " ".join(arguments[count:])
        raise UserError(f"stray arguments: {stray} (settings are given as --name=value)")
    if len(arguments) < count:
        raise UserError(f"{operand} is missing: expected it as an argument")
    return arguments


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS([argv[0], *flag_files.expand(argv[1:])])
    except (flags.Error, UserError) as error:
        sys.exit(_report(error))


def _end_at_once(code: int) -> NoReturn:
    """Ends the process without Python's own end, at which what TensorFlow still holds would complain."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _report(error: Exception, code: int = 2) -> int:
    """Prints `error` on one line; returns the exit code."""
    text = " ".join(str(error).split())
    print(f"error: {text}", file=sys.stderr)
    return code
