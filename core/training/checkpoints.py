"""Checkpoints: folders that are complete or absent, each with a manifest of sizes and hashes written last."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d{8,})")
_DRAFT, _DROPPED = ".draft-", ".dropped-"


def _nowhere(name: str) -> None:
    """A fault point where nobody tests faults."""


def _unheard(path: Path, reason: str) -> None:
    """A skipped checkpoint nobody asks about."""


def folder_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies inside `folder`."""
    return folder / f"step-{step:08d}"


def save(folder: Path, step: int, write: Callable[[Path], None], point: Callable[[str], None] = _nowhere) -> Path:
    """Keep what `write` puts into the folder it is given as the checkpoint of `step`.

    Durable once it returns. Checkpoints of later steps are dropped: a run that saves `step` went back before them
    because they did not verify. Passes the fault points `checkpoint.*`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _clean(folder)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder))
    point("checkpoint.begin")
    write(draft)
    point("checkpoint.written")
    files = {path.relative_to(draft).as_posix(): _sealed(path) for path in sorted(draft.rglob("*")) if path.is_file()}
    with (draft / MANIFEST).open("w", encoding="utf-8") as stream:
        json.dump({"step": step, "files": files}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    for inner in (*(path for path in draft.rglob("*") if path.is_dir()), draft):
        _sync(inner)
    point("checkpoint.manifest")
    target = folder_of(folder, step)
    if target.exists():
        _set_aside(target)
        point("checkpoint.replaced")
    draft.rename(target)
    _sync(folder)
    point("checkpoint.renamed")
    for later, path in steps(folder):
        if later > step:
            _drop(path)
    _clean(folder)
    return target


def newest(folder: Path, skipped: Callable[[Path, str], None] = _unheard) -> tuple[Path, int] | None:
    """The newest checkpoint that verifies, with its step; `skipped` hears of each newer one and why it was not used."""
    for step, path in reversed(steps(folder)):
        reason = flaw(path, step)
        if not reason:
            return path, step
        skipped(path, reason)
    return None


def flaw(path: Path, step: int) -> str:
    """Why a checkpoint must not be used; empty where every file has the size and hash of the manifest."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if manifest["step"] != step:
            return f"the manifest is of step {manifest['step']}"
        for name, (size, digest) in manifest["files"].items():
            file = path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != size or _digest(file) != digest:
                return f"{name} is not what was written"
    except FileNotFoundError:
        return "it has no manifest"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"it cannot be read ({type(error).__name__})"
    return ""


def prune(folder: Path, keep: int = 2, point: Callable[[str], None] = _nowhere) -> None:
    """Drop all but the `keep` newest checkpoints, oldest first. Passes the fault points `prune.*`."""
    assert keep >= 1
    for _, path in steps(folder)[:-keep]:
        point("prune.begin")
        aside = _set_aside(path)
        point("prune.renamed")
        shutil.rmtree(aside)


def steps(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a folder, verified or not, in the order of their steps."""
    if not folder.is_dir():
        return []
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match)


def _set_aside(path: Path) -> Path:
    """Take a checkpoint out of sight in one step; a deletion cut short then leaves nothing that looks like one."""
    aside = Path(tempfile.mkdtemp(prefix=_DROPPED, dir=path.parent)) / path.name
    path.rename(aside)
    return aside.parent


def _drop(path: Path) -> None:
    shutil.rmtree(_set_aside(path))


def _clean(folder: Path) -> None:
    """Remove what a killed save or prune left behind."""
    for path in folder.iterdir():
        if path.name.startswith((_DRAFT, _DROPPED)):
            shutil.rmtree(path)


def _sealed(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256 of a file that is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path.stat().st_size, _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
