"""The run folder runs/<id>/: everything that happened to a run, readable without the database."""

import dataclasses
import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from core.errors import CoreError
from core.jobs.run import Exit, Run, after
from core.runs import ACTIVE, ENDED, KINDS, State

EVENTS = "events.jsonl"  # what happened to a run: the last line says how it stands
DRAFT = ".tmp-"  # prefix of files that are not finished yet
PROCESSES = "process.json"  # who supervises and who carries out the newest attempt
FAILED, CANCELLED, DISK_FULL, CRASHED = 3, 4, 5, 1  # exit codes of the trainer beside 0
_DISK_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def derived(folder: Path) -> Run | None:
    """The run that a folder stands for; None where it holds no readable spec, or nobody was told that it is queued."""
    spec = read_object(folder / "spec.json")
    if spec is None or "kind" not in spec:
        return None
    run = noted(folder) or _guessed(folder, str(spec["kind"]))
    if run is None or run.state != "running" or held(folder):
        return run
    return after(run, exit_of(folder, run.attempt))


def noted(folder: Path) -> Run | None:
    """The run as its last event left it; None where no event can be read."""
    for event in reversed(events(folder)):
        run = _run_of(event.get("run"))
        if run is not None:
            return run
    return _run_of(read_object(folder / "run.json"))  # of a workspace from before 0.2


def events(folder: Path) -> list[dict[str, Any]]:
    """What happened to a run, oldest first; a torn line is left out."""
    return json_lines(folder / EVENTS)


def worked(folder: Path, run: Run) -> float | None:
    """Seconds that the attempts of an ended run took, without what lay between them; None: it never began."""
    if run.attempt <= 1 or run.seconds is None:
        return run.seconds
    told = [event for event in events(folder) if "t" in event]
    gaps = [after["t"] - begin["t"] for begin, after in pairwise(told) if begin.get("to") == "running"]
    return sum(max(0.0, gap) for gap in gaps) if gaps else run.seconds


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, one a line; torn lines are left out, and so is a last one that is not finished."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [data for data in map(_object, lines) if data is not None]


def note(folder: Path, before: Run | None, now: Run) -> None:
    """Append the event that makes a run what it is now. Once this returns it has happened, whatever comes after."""
    told = {"t": time.time(), "from": before.state if before else None, "to": now.state, "attempt": now.attempt}
    append_line(folder / EVENTS, told | {"run": dataclasses.asdict(now)}, durable=True)


def _run_of(kept: object) -> Run | None:
    """A run of plain data, of this version or an older one with fewer fields."""
    if not isinstance(kept, dict):
        return None
    data = cast(dict[str, Any], kept)
    fields = {field.name: field for field in dataclasses.fields(Run)}
    needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if not needed <= data.keys() or data["state"] not in ACTIVE | ENDED:
        return None
    return Run(**{name: value for name, value in data.items() if name in fields})


def _guessed(folder: Path, kind: str) -> Run | None:
    """A run whose events are lost: an attempt left metrics or exit.json behind, or it never started."""
    attempts = [number for number, _ in _metric_files(folder)]
    attempts.append(int((read_object(folder / "exit.json") or {}).get("attempt", 0)))
    if not max(attempts) and not (folder / EVENTS).exists():
        return None
    state: State = "running" if max(attempts) else "queued"
    lane = KINDS[kind].slot if kind in KINDS else "light"
    return Run(folder.name, kind, state, max(attempts), 0, folder.stat().st_mtime, lane=lane)


def exit_of(folder: Path, attempt: int) -> Exit:
    """How an attempt ended for which no process lives any more."""
    found = read_object(folder / "exit.json") or {}
    names = [field.name for field in dataclasses.fields(Exit)]
    if found.get("attempt") == attempt and found.get("state") in ENDED and "ended" in found:
        return Exit(**{name: value for name, value in found.items() if name in names})
    signs = [path.stat().st_mtime for path in (folder / "log.txt", metrics_file(folder, attempt)) if path.exists()]
    last = max(signs, default=time.time())
    if cancel_file(folder, attempt).exists():
        return Exit(attempt, "cancelled", last)
    return Exit(attempt, "interrupted", last, error=CoreError("run_lost", {}, "hint_resumes").to_json())


def metrics_file(folder: Path, attempt: int) -> Path:
    return folder / f"metrics-{attempt}.jsonl"


def cancel_file(folder: Path, attempt: int) -> Path:
    """The file whose existence asks an attempt to stop; named after it, so that it can't stop another one."""
    return folder / f"cancel-{attempt}"


def stalled_file(folder: Path, attempt: int) -> Path:
    """The file whose existence says that an attempt has not moved for long: {"seconds": that it may take}."""
    return folder / f"stalled-{attempt}"


def resources_file(folder: Path, attempt: int) -> Path:
    """Lines {"t", "cpu", "memory"} and, on a GPU, {"gpu", "gpu_memory"}, see core.jobs.watch."""
    return folder / f"resources-{attempt}.jsonl"


def mark_of(folder: Path, attempt: int) -> str:
    """What all processes of an attempt are marked with: no other attempt has it, nor a copy of the workspace."""
    lock = (folder / "lock").stat()
    return f"{folder.name}.{attempt}.{lock.st_dev}.{lock.st_ino}"


def last_metrics(folder: Path) -> list[dict[str, Any]]:
    """The metrics of a run in the order of `step`; what several lines say of one step is one entry.

    An unfinished last line is ignored; where two attempts passed the same step, the later one is believed.
    """
    steps: dict[int, dict[str, Any]] = {}
    for attempt, path in sorted(_metric_files(folder)):
        for values in json_lines(path):
            step = values.get("step")
            if isinstance(step, int):
                before = steps.get(step, {})
                steps[step] = (before if before.get("attempt") == attempt else {}) | values | {"attempt": attempt}
    return [steps[step] for step in sorted(steps)]


def share_done(steps: Sequence[Mapping[str, Any]]) -> float | None:
    """How much of a run is done (0..1), from its metrics; None where it doesn't say."""
    total = next((line["total"] for line in steps if isinstance(line.get("total"), int)), 0)
    return min(1.0, steps[-1]["step"] / total) if steps and total else None


def _metric_files(folder: Path) -> list[tuple[int, Path]]:
    named = ((path.stem.removeprefix("metrics-"), path) for path in folder.glob("metrics-*.jsonl"))
    return [(int(number), path) for number, path in named if number.isdecimal()]


def tail(log: Path, size: int = 65536) -> str:
    """The last `size` bytes of a log as text, from the start of a line; empty where there is no log."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, length - size))
        data = stream.read(size)
    return (data.partition(b"\n")[2] if length > size else data).decode("utf-8", "replace")


def hold(folder: Path) -> int | None:
    """The lock of a run as an open file, None where somebody holds it."""
    return take(folder / "lock")


def take(lock: Path) -> int | None:
    """A lock as an open file, None where somebody has it. Free once every process that has it ended."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def held(folder: Path) -> bool:
    """Whether a process of the run lives."""
    if not (folder / "lock").exists():
        return False
    descriptor = hold(folder)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, shared: bool = False) -> Generator[None]:
    """Hold the flock of a file; waits for it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where the file is missing or holds no such thing."""
    try:
        return _object(path.read_bytes())
    except OSError:
        return None


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def write_json(path: Path, data: Any) -> None:
    """Replace a file by JSON in one step; it is on the disk when this returns."""
    write_text(path, json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1))


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step; it is on the disk when this returns."""
    descriptor, name = tempfile.mkstemp(prefix=DRAFT, dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, data: Mapping[str, Any], durable: bool = False) -> None:
    """Append one JSON line in a single write; a line that an earlier process left unfinished stays by itself.

    `durable`: it is on the disk when this returns.
    """
    line = json.dumps(data, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(descriptor, line)
        while written < len(line):  # a full disk: the next write says so
            written += os.write(descriptor, line[written:])
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if durable and not size:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_full(error: OSError) -> bool:
    return error.errno in _DISK_FULL
