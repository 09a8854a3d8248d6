"""A fresh server and a real Chromium that fails on page errors and on any request that leaves the host."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import ROOT, environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
WAIT = 60_000  # milliseconds; these machines are slow at times
_STARTED = 60.0  # seconds a server may take
_BUSY = "document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state')"
_FAULT = re.compile(r"Uncaught app|^error [0-9a-f]{8}$", re.MULTILINE)  # what Streamlit, and the app, log of a bug
_HARMLESS = ("Failed to load resource",)  # Streamlit asks below the page's own path first


def needs_chromium() -> pytest.MarkDecorator:
    """Without Chromium the journeys are skipped, unless they are asked for (CI sets PEIBI_BROWSER=1)."""
    missing = CHROMIUM is None and not os.environ.get("PEIBI_BROWSER")
    return pytest.mark.skipif(missing, reason="no chromium on this machine (Debian: apt-get install chromium)")


@dataclass(frozen=True)
class Server:
    """The app as a process of its own. `address`: where it answers; it keeps it when it is started again."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path


def start(workspace: Path, port: int) -> Server:
    """The app over a workspace, on a port of loopback, once it answers."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    path = workspace.parent / f"{workspace.name}-server.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(PEIBI_HOME=str(workspace)),
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    end = time.monotonic() + _STARTED
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, path.read_text()
        time.sleep(0.1)
    return Server(process, f"http://127.0.0.1:{port}", path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(server: Server) -> None:
    """End a server; it may have shown and logged no fault."""
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)
    said = server.log.read_text()
    assert not _FAULT.search(said), said[-4000:]


@contextmanager
def served(workspace: Path) -> Generator[str]:
    """The app over a workspace, on a free port of loopback. -> its address"""
    server = start(workspace, free_port())
    try:
        yield server.address
    finally:
        stop(server)


@dataclass
class Visitor:
    """One browser tab. Everything is found as a person finds it: by role, label or text."""

    page: object
    address: str
    faults: list[str] = field(default_factory=list[str])

    def listen(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _console(self, message) -> None:
        if message.type == "error" and not message.text.startswith(_HARMLESS):
            self.faults.append(f"console: {message.text}")

    def _request(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
            self.faults.append(f"off the host: {request.url}")

    def goto(self, path: str) -> None:
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the page is there and no script runs."""
        self.page.wait_for_selector("h1", timeout=WAIT)
        self.page.wait_for_function(f"{_BUSY} === 'notRunning'", timeout=WAIT)
        self.page.wait_for_timeout(300)
        self.page.wait_for_function(f"{_BUSY} === 'notRunning'", timeout=WAIT)

    def press(self, name: str, exact: bool = False) -> None:
        self.page.get_by_role("button", name=name, exact=exact).first.click(timeout=WAIT)
        self.settle()

    def see(self, text: str, timeout: int = WAIT) -> None:
        """The text stands somewhere on the page."""
        self.page.get_by_text(text).first.wait_for(state="visible", timeout=timeout)

    def text(self) -> str:
        return self.page.inner_text("[data-testid=stApp]")

    def errors(self) -> list[str]:
        """Alerts of the kind error on the page."""
        return self.page.locator("[data-testid=stAlertContentError]").all_inner_texts()


@contextmanager
def browsing(address: str, **context: object) -> Generator[Visitor]:
    """A tab of a browser of its own. At the end nothing may have gone wrong in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}).new_page()
            page.set_default_timeout(WAIT)
            visitor = Visitor(page, address)
            visitor.listen()
            yield visitor
            assert visitor.faults == []
        finally:
            browser.close()


class SecondTab:
    """Another tab in the browser of the first."""

    def __init__(self, one: Visitor) -> None:
        self.one = one

    def __enter__(self) -> Visitor:
        two = Visitor(self.one.page.context.new_page(), self.one.address)
        two.listen()
        self.two = two
        return two

    def __exit__(self, *_: object) -> None:
        assert self.two.faults == []
