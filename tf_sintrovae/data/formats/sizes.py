"""The limit of what a data file may take in memory, checked before it is read."""

from tf_sintrovae.errors import UserError


def require_within(claimed: int, max_bytes: int, where: str) -> None:
    """Refuses data that would take too much memory.

    Args:
        claimed: number of bytes that the data take, or claim to take.
        max_bytes: greatest number of bytes allowed.
        where: name of what holds them, for messages.

    Raises:
        UserError: the data take more than that.
    """
    if claimed > max_bytes:
        raise UserError(
            f"{where} takes {_gib(claimed)} of memory or more, the limit is {_gib(max_bytes)}: "
            "raise it with --max_data_gib if the machine has so much and the file is to be trusted"
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:.3g} GiB" if count < 2**80 else "over 2^50 GiB"
