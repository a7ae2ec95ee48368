"""The error that a user can mend."""


class UserError(Exception):
    """Bad input from outside: a flag, a file, a shape, a data set that is not there.

    The message is one line that names the value, what was expected and what to do. Commands print it
    without a traceback and exit with a non-zero code; library users may catch it.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).splitlines()))  # names of files may hold line ends


class LostWorkerError(UserError):
    """Another worker of a run over several machines has ended, or cannot be reached."""
