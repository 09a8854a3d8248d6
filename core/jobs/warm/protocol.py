"""What both sides of the warm process agree on: the requests, how a line looks, where they meet."""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import CoreError

# kind of request -> "module:function", called with the workspace's root, the request and its core.runs.Turn; JSON in
# both directions
REQUESTS: Mapping[str, str] = {
    "ping": "core.jobs.warm.probe:ping",
    "preview": "core.augment.preview:answer",
    "beside": "core.augment.beside:answer",
    "predict": "core.predict:answer",
    "prompt": "core.training.prompt_preview:answer",
    "why": "core.why:answer",
    "selftest": "core.jobs.warm.probe:selftest",
}
MOST_REQUEST = 4 << 20  # bytes of one line
MOST_ANSWER = 8 << 20
MOST_SECONDS = 60.0  # that a client may wait
LOCK = "warm.lock"  # held by the warm process from before it starts until it has ended
_LONGEST_PATH = 100  # bytes; the kernel takes 107 on Linux, 103 on macOS


def line(data: Mapping[str, Any], most: int) -> bytes:
    """One line of JSON. Raises CoreError `warm_too_large`."""
    text = json.dumps(data, allow_nan=False).encode() + b"\n"
    if len(text) > most:
        raise CoreError("warm_too_large", {"bytes": len(text), "most": most})
    return text


def socket_path(root: Path) -> Path:
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


def flocked(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def there(root: Path, lock: int) -> bool:
    """Whether the workspace still lies where it lay when the open file `lock` was its lock."""
    try:
        return os.path.samestat((root / LOCK).stat(), os.fstat(lock))
    except OSError:
        return False
