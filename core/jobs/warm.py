"""The warm process: one per workspace, which has loaded what takes seconds to load and answers small requests.

It listens on a Unix socket, one JSON line in, one JSON line out, one request at a time. `warm.lock` is held from before
it starts until it ends, and the socket appears when it is ready: between them they say where it stands.
"""

import fcntl
import gc
import hashlib
import json
import os
import select
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from subprocess import Popen
from typing import Any, Literal

from core.errors import CoreError
from core.jobs.dispatch import spawn
from core.jobs.machine import Machine
from core.jobs.trainer import problem_of

# kind of request -> "module:function", called with the workspace's root and the request, JSON in both directions
REQUESTS: Mapping[str, str] = {
    "ping": "core.jobs.warm:ping",
    "preview": "core.augment.preview:answer",
    "predict": "core.predict:answer",
}
_PRELOADED = (  # what is slow to import, slowest last
    "nlpaug.model.char",
    "nlpaug.model.word_dict",
    "torch",
    "accelerate",
    "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert",  # the default encoder
)
IDLE_SECONDS = 600.0  # without a request, after which it ends
CLIENT_SECONDS = 5.0  # that a client may take to send a request, and to take the answer
LOOK_SECONDS = 1.0  # between two looks whether the workspace is still there
MOST_REQUEST = 4 << 20  # bytes of one line
MOST_ANSWER = 8 << 20
_LONGEST_PATH = 100  # bytes; the kernel takes 107 on Linux, 103 on macOS
_MOST_LOG = 1 << 20  # bytes, beyond which warm.log begins anew
_WAITING = 64  # clients
_started: list[Popen[bytes]] = []  # servers that this process started, kept only to be reaped


def start(root: Path, idle: float = IDLE_SECONDS) -> None:
    """See to it that a warm process lives, and don't wait until it is ready. Any process may call it at any time."""
    root = root.resolve()
    lock = _claim(root / "warm.lock")
    if lock is None:
        return
    with open(lock, "rb", buffering=0):
        _started[:] = [process for process in _started if process.poll() is None]
        _socket_path(root).unlink(missing_ok=True)  # of a process that was killed
        path = root / "warm.log"
        with path.open("wb" if path.exists() and path.stat().st_size > _MOST_LOG else "ab") as log:
            command = [sys.executable, "-m", "core.jobs.warm", str(root), str(idle), str(lock)]
            _started.append(spawn(command, log=log.fileno(), keep=(lock,)))


def state(root: Path) -> Literal["off", "starting", "ready"]:
    """Where the warm process of a workspace stands. One look, which starts nothing."""
    root = root.resolve()
    try:
        descriptor = os.open(root / "warm.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "off"
    with open(descriptor, "rb", buffering=0):
        if _flock(descriptor, fcntl.LOCK_SH):
            return "off"
    return "ready" if _socket_path(root).exists() else "starting"


def ask(root: Path, kind: str, request: Mapping[str, Any], timeout: float = 5.0) -> dict[str, Any]:
    """The answer to one request, within `timeout` seconds.

    Raises CoreError `warm_off`, `warm_starting`, `warm_timeout`, `warm_too_large`, and whatever the answering
    function raised; an error that it did not foresee is `internal`, with the traceback in warm.log.
    """
    end = time.monotonic() + timeout
    line = _line({"kind": kind, "request": request}, MOST_REQUEST)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(_socket_path(root.resolve())))
            connection.sendall(line)
            answer = json.loads(_received(connection, MOST_ANSWER, end))
    except (TimeoutError, BlockingIOError):  # the latter: too many clients wait
        raise CoreError("warm_timeout", {"seconds": timeout}, "hint_warm") from None
    except OSError:
        code = "warm_off" if state(root) == "off" else "warm_starting"
        raise CoreError(code, {}, "hint_warm") from None
    if "error" in answer:
        raise CoreError.from_json(answer["error"])
    return answer["answer"]


def ping(root: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Who answers."""
    return {"pid": os.getpid()}


def _claim(path: Path) -> int | None:
    """The lock as an open file, None where a warm process has it or is being started.

    Those who only look share the lock for a moment: they are waited for, the warm process is not.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while _flock(descriptor, fcntl.LOCK_SH):
        if _flock(descriptor, fcntl.LOCK_EX):
            return descriptor
        time.sleep(0.001)
    os.close(descriptor)
    return None


def _flock(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _socket_path(root: Path) -> Path:
    """Where the socket lies: in the workspace, or in a private folder of its own where that path is too long.

    Raises CoreError `warm_unsafe_folder` where that folder belongs to somebody else or is open to others.
    """
    path = root / "warm.sock"
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    name = hashlib.sha256(f"{os.getuid()}\0".encode() + os.fsencode(root)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"peibi-{name}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise CoreError("warm_unsafe_folder", {"path": str(folder)}, "hint_warm_unsafe_folder")
    return folder / path.name


def _line(data: Mapping[str, Any], most: int) -> bytes:
    line = json.dumps(data, allow_nan=False).encode() + b"\n"
    if len(line) > most:
        raise CoreError("warm_too_large", {"bytes": len(line), "most": most})
    return line


def _received(connection: socket.socket, most: int, end: float) -> bytes:
    """The line that the other side sends. `end`: on the monotonic clock. Raises OSError where none comes in time, the
    other side hangs up, or it is longer than `most` bytes."""
    line = bytearray()
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        block = connection.recv(1 << 16)
        if not block or len(line) + len(block) > most:
            raise ConnectionAbortedError
        line += block
    return bytes(line)


def main(arguments: Sequence[str]) -> None:
    """The server. Arguments: workspace, idle seconds, the held lock as an open file. Ends by itself, or on SIGTERM."""
    root, idle, lock = Path(arguments[0]), float(arguments[1]), int(arguments[2])
    began = time.monotonic()
    os.set_inheritable(lock, False)
    os.umask(0o077)
    os.putenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to others
    _preload(root)
    gc.freeze()  # what stays for good need not be looked through again
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_UNIX) as listener:
        path = _socket_path(root)
        _publish(listener, path)
        own = path.stat().st_ino
        try:
            _say(f"ready after {time.monotonic() - began:.1f} s")
            _serve(listener, root, lock, idle)
        finally:
            with suppress(OSError):
                if path.stat().st_ino == own:
                    path.unlink()
            os.close(lock)


def _preload(root: Path) -> None:
    """Load everything that makes a first request slow."""
    from core.augment.protocol import Resources
    from core.augment.wordnet import synonyms_for

    synonyms_for(Resources((), "en", root / "cache"), "synonym")
    for name in (*_PRELOADED, *(place.partition(":")[0] for place in REQUESTS.values())):
        import_module(name)
    import torch

    torch.set_num_threads(max(1, Machine.here().threads // 2))


def _publish(listener: socket.socket, path: Path) -> None:
    """The socket appears under its name when clients can connect, and not before."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    listener.bind(str(draft))
    draft.chmod(0o600)
    listener.listen(_WAITING)
    draft.rename(path)


def _serve(listener: socket.socket, root: Path, lock: int, idle: float) -> None:
    """Answer one client after the other until none has come for `idle` seconds or the workspace is gone."""
    listener.settimeout(min(LOOK_SECONDS, idle))
    last = time.monotonic()
    while time.monotonic() - last < idle and _there(root / "warm.lock", lock):
        with suppress(OSError):  # nobody came; or a client was slow, sent too much or hung up
            connection, _ = listener.accept()
            with connection:
                _converse(connection, root)
            last = time.monotonic()


def _there(path: Path, lock: int) -> bool:
    """Whether the workspace still lies where it lay when this process was started."""
    try:
        return os.path.samestat(path.stat(), os.fstat(lock))
    except OSError:
        return False


def _converse(connection: socket.socket, root: Path) -> None:
    line = _received(connection, MOST_REQUEST, time.monotonic() + CLIENT_SECONDS)
    if select.select([connection], [], [], 0)[0]:  # it hung up while it waited for its turn
        return
    answer = _answer(root, line)
    connection.settimeout(CLIENT_SECONDS)
    connection.sendall(answer)


def _answer(root: Path, line: bytes) -> bytes:
    """The line that answers a request line, whatever it says."""
    try:
        kind, request = _parsed(line)
        module, _, name = REQUESTS[kind].partition(":")
        return _line({"answer": getattr(import_module(module), name)(root, request)}, MOST_ANSWER)
    except CoreError as error:
        return _line({"error": error.to_json()}, MOST_ANSWER)
    except Exception as error:  # noqa: BLE001 -- the edge of the process: the traceback goes to the log
        _say(traceback.format_exc())
        problem = problem_of(error)
        hint = "hint_warm_log" if problem.code == "internal" else problem.hint_code
        return _line({"error": CoreError(problem.code, problem.values, hint).to_json()}, MOST_ANSWER)


def _parsed(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """Kind and request. Raises CoreError `warm_bad_request`, `warm_unknown_request`."""
    try:
        asked = json.loads(line)
        kind, request = asked["kind"], asked["request"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CoreError("warm_bad_request") from None
    if not isinstance(kind, str) or kind not in REQUESTS or not isinstance(request, Mapping):
        raise CoreError("warm_unknown_request", {"kind": str(kind)[:80], "known": ", ".join(REQUESTS)})
    return kind, request


def _say(text: str) -> None:
    """To the log, with the time."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
