"""Commands as processes of their own, each a copy of one that has loaded what commands load: a second less for each."""

import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LONGEST = 1 << 20  # bytes of a request


class Nursery:
    """A process with everything loaded but torch, of which each command is a copy: it has its own arguments, folder,
    environment, streams and exit status, as `python -m core` has."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # pipes, as its copies have: Python asks once whether it can seek in a stream
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                preexec_fn=heed_interrupts,  # noqa: PLW1509 -- no other thread of the tests holds a lock here
            )

    def call(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], timeout: float
    ) -> tuple[int, str, str]:
        """-> exit status, standard output, standard error. A command that takes longer than `timeout` s is killed."""
        request = json.dumps({"arguments": arguments, "folder": str(folder), "env": dict(env)}).encode()
        pipes = [os.pipe(), os.pipe()]
        socket.send_fds(self._line, [request], [end for _, end in pipes])
        for _, end in pipes:
            os.close(end)
        pid = int(self._line.recv(64))
        try:
            said = _read([begin for begin, _ in pipes], timeout)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            status = int(self._line.recv(64))
        out, err = (text.decode() for text in said)
        return status, out, err

    def close(self) -> None:
        self._line.close()
        self._process.communicate(timeout=30)


def heed_interrupts() -> None:
    """Whatever started the tests may have SIGINT ignored (a shell's background job does), and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read(streams: Sequence[int], timeout: float) -> list[bytes]:
    """What comes out of each stream until nobody holds its other end. Raises TimeoutError."""
    said = dict.fromkeys(streams, b"")
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as open_ones:
        for stream in streams:
            open_ones.register(stream, selectors.EVENT_READ)
        while open_ones.get_map():
            ready = open_ones.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"still running after {timeout} s: {said[streams[-1]].decode()}")
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                said[key.fd] += data
                if not data:
                    open_ones.unregister(key.fd)
                    os.close(key.fd)
    return list(said.values())


def _wait(line: socket.socket) -> None:
    """Copy this process for each request; a copy becomes the command, and ends with it."""
    while True:
        data, streams, *_ = socket.recv_fds(line, _LONGEST, 2)
        if not data:
            return
        pid = os.fork()
        if not pid:
            line.close()
            return _become(streams, **json.loads(data))
        for stream in streams:
            os.close(stream)
        line.send(str(pid).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def _become(streams: Sequence[int], arguments: list[str], folder: str, env: dict[str, str]) -> None:
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.path[0], sys.argv[1:] = folder, arguments
    runpy.run_module("core", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for path in sorted((ROOT / "core" / "commands").glob("[a-z]*.py")):
        import_module(f"core.commands.{path.stem}")
    for name in ("core.output", "pandas", "core.stage", "core.submit", "core.groups"):
        import_module(name)
    assert "torch" not in sys.modules
    with socket.socket(fileno=int(sys.argv[1])) as told:
        _wait(told)
