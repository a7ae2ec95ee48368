"""The error that a user can mend, where `tf_sintrovae` may not be there."""


class ExportError(Exception):
    """An export, or what was made with it, cannot be used. The message is one line that says what to do."""
