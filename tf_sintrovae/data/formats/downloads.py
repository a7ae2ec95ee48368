"""Finding out quickly whether a download can work at all."""

import ssl
import threading
import urllib.error
import urllib.request

_TIMEOUT = 6  # seconds, for names, connection and answer together
_METHOD_NOT_ALLOWED = 405


def find_obstacle(url: str) -> str | None:
    """Finds out within seconds why a file cannot be downloaded.

    TFDS itself retries for minutes. Proxies set in the environment are used, as TFDS uses them.

    Args:
        url: address of the file.

    Returns:
        The reason in words, or None when the server answers.
    """
    outcome: list[str | None] = [f"no answer in {_TIMEOUT} s"]

    def ask() -> None:
        outcome[0] = _ask(url)

    # A thread, because the look-up of a name knows no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_TIMEOUT)
    return outcome[0] and f"{url}: {outcome[0]}"


def _ask(url: str) -> str | None:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        # A server that refuses to be asked for the head alone may still send the file.
        return None if error.code == _METHOD_NOT_ALLOWED else str(error)
    except urllib.error.URLError as error:
        # TFDS brings its own certificates, which may be better than the system's.
        return None if isinstance(error.reason, ssl.SSLError) else str(error.reason)
    except OSError as error:
        return str(error)
