"""A browser without a window that a test drives: pages, scripts in them, screenshots, what they complain of.

It speaks Chromium's DevTools protocol over a pipe, for which Python needs no further package.
"""

import base64
import contextlib
import io
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image

from tests.support import browser

_FLAGS = (
    *browser.FLAGS,
    # The projector draws with WebGL, which needs a processor's where there is no graphics card.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-pipe",
    # No host but this one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
)
# The text of a page, that in shadow trees and in frames of its own host among it.
_TEXT = """
(() => {
  const parts = [];
  const visit = (node) => {
    if (node.nodeType === 3) { parts.push(node.textContent); return; }
    if (['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.nodeName)) return;
    if (node.shadowRoot) visit(node.shadowRoot);
    if (node.nodeName === 'IFRAME') {
      try { if (node.contentDocument) visit(node.contentDocument); } catch (error) {}
    }
    for (const child of node.childNodes) visit(child);
  };
  visit(document);
  return parts.join(' ').replace(/\\s+/g, ' ');
})()
"""


class Page:
    """A page of a running browser.

    Args:
        process: the browser.
        to_browser: descriptor of the pipe that it reads.
        from_browser: descriptor of the pipe that it writes.

    Attributes:
        console: what pages wrote to the console as warnings and errors, what they raised, and what the
            browser says of requests that failed: `level: text (address)`.
    """

    def __init__(self, process: subprocess.Popen, to_browser: int, from_browser: int):
        self._process, self._to, self._from = process, to_browser, from_browser
        self._number, self._received = 0, b""
        self.console: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict:
        """Calls a method of the protocol for the page; returns its result."""
        return self._call(method, self._session, **parameters)

    def open(self, address: str) -> None:
        """Goes to an address."""
        self.call("Page.navigate", url=address)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self) -> str:
        """The text of the page."""
        return self.evaluate(_TEXT)

    def wait_for(self, *texts: str, seconds: float = 120.0) -> str:
        """Waits until the page has all the texts; returns all of its text."""
        deadline = time.monotonic() + seconds
        while True:
            shown = self.text()
            missing = [text for text in texts if text not in shown]
            if not missing:
                return shown
            assert time.monotonic() < deadline, f"{missing} did not appear in: {shown[:3000]}"
            time.sleep(0.5)

    def wait_until(self, script: str, seconds: float = 120.0) -> None:
        """Waits until an expression is true in the page."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(script):
            assert time.monotonic() < deadline, (
                f"{script} did not become true: {self.text()[:3000]}"
            )
            time.sleep(0.5)

    def screenshot(self, path: pathlib.Path | None = None) -> np.ndarray:
        """The visible part of the page, [H, W, 3] uint8; also written to `path` if one is given."""
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        if path is not None:
            path.write_bytes(png)
        return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"))

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self._note(answer)

    def _receive(self, seconds: float = 120.0) -> dict:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], seconds)
            assert ready, "the browser does not answer"
            part = os.read(self._from, 2**20)
            assert part, f"the browser has ended: {self._process.poll()}"
            self._received += part
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message: dict) -> None:
        """Keeps what a page complains of."""
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled":
            if parameters["type"] in ("error", "warning", "assert"):
                words = [str(a.get("value", a.get("description"))) for a in parameters["args"]]
                self.console.append(f"{parameters['type']}: {' '.join(words)}")
        elif message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.console.append(f"exception: {text} ({details.get('url', '')})")
        elif message.get("method") == "Log.entryAdded":
            entry = parameters["entry"]
            if entry["level"] in ("error", "warning"):
                self.console.append(f"{entry['level']}: {entry['text']} ({entry.get('url', '')})")


@contextlib.contextmanager
def opened(folder: pathlib.Path, size: tuple[int, int] = (1400, 1000)) -> Iterator[Page]:
    """Opens a browser whose only network is this machine's own.

    Args:
        folder: folder for the browser's own files.
        size: width and height of the window.
    """
    read_by_browser, to_browser = os.pipe()
    from_browser, written_by_browser = os.pipe()
    profile = folder / "profile"

    def take_pipes() -> None:  # the browser reads descriptor 3 and writes 4
        high = [
            os.dup2(number, 50 + i)
            for i, number in enumerate((read_by_browser, written_by_browser))
        ]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [
            browser.require(),
            *_FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=take_pipes,
        close_fds=False,
    )
    os.close(read_by_browser)
    os.close(written_by_browser)
    try:
        yield Page(process, to_browser, from_browser)
    finally:
        process.kill()
        process.wait()
        os.close(to_browser)
        os.close(from_browser)
        shutil.rmtree(profile, ignore_errors=True)
