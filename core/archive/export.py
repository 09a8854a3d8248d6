"""The run kind `export`: a project with all it needs as one zip file, to be downloaded or carried elsewhere."""

import hashlib
import itertools
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core import project as projects
from core.archive.contents import Content, Contents, contents
from core.archive.entries import KINDS, MANIFEST, RATIO, SMALL, Entry, Manifest, manifest_lines
from core.errors import CoreError
from core.jobs.folder import DRAFT, Run
from core.params import CLOSED, build, canonical
from core.runs import KINDS as ALL_KINDS
from core.runs import RunContext, RunSpec
from core.workspace import Workspace

MARGIN = 64 << 20  # bytes that are left free
_BLOCK = 1 << 20
_TOLD = 100  # lines of progress, about


@dataclass(frozen=True)
class ExportParams:
    """`state`: of the project (see contents): the same project exported again is the same run."""

    __pydantic_config__ = CLOSED
    project: str
    state: str
    weights: bool = False
    models: bool = False


def archive_of(workspace: Workspace, run: Run) -> Path | None:
    """The archive that an export wrote, where it is still there."""
    return next(iter(sorted(workspace.run_folder(run.id).glob("*.zip"))), None) if run.state == "succeeded" else None


def start(workspace: Workspace, project: projects.Project, weights: bool, models: bool) -> Run:
    """Submit the export of a project as it is now; where that was exported before, it is that run.

    Raises CoreError `no_room`, and what `contents` does.
    """
    found = contents(workspace, project, weights, models)
    spec = RunSpec("export", {}, canonical(ExportParams(project.slug, found.state, weights, models)))
    for number in itertools.count():  # an archive that was cleaned up is written again
        spec = replace(spec, repeat=number)
        folder = workspace.run_folder(spec.id)
        if not (folder / "result.json").exists() or any(folder.glob("*.zip")):
            break
    if not (workspace.run_folder(spec.id) / "result.json").exists():
        check_room(workspace, found.bytes)
    return workspace.submit(spec)[0]


def check_room(workspace: Workspace, needed: int) -> None:
    """Raises CoreError `no_room` with the figures in MB."""
    free = workspace.free_bytes() - MARGIN
    if needed > free:
        raise CoreError("no_room", {"need": needed // 1_000_000 + 1, "free": max(0, free) // 1_000_000}, "hint_no_room")


def run(ctx: RunContext) -> None:
    """Write `<project>.zip` into the run's folder. Raises CoreError `export_changed`, `no_room`."""
    params = build(ExportParams, ctx.spec.params, "export")
    workspace = Workspace(ctx.root)
    project = projects.load(workspace, params.project)
    found = contents(workspace, project, params.weights, params.models)
    if found.state != params.state:
        raise CoreError("export_changed", {"project": params.project}, "hint_export_changed")
    check_room(workspace, found.bytes)
    target = ctx.folder / f"{params.project}.zip"
    draft = ctx.folder / f"{DRAFT}{target.name}"
    try:
        _write(
            found, Manifest(params.project, params.weights, params.models, _behaviours(), ()), draft, _Steps(ctx, found)
        )
        ctx.point("export.written")
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    told = {"file": target.name, "bytes": target.stat().st_size, "entries": len(found.entries)}
    ctx.finish(told | {"unpacked": found.bytes, "left_out": list(found.left_out)})


def _behaviours() -> dict[str, int]:
    return {kind: ALL_KINDS[kind].behaviour_version for kind in KINDS}


class _Steps:
    """Progress in bytes: each entry is read twice."""

    def __init__(self, ctx: RunContext, found: Contents) -> None:
        self._ctx, self._total, self._done, self._told = ctx, 2 * max(1, found.bytes), 0, -1

    def __call__(self, read: int) -> None:
        self._ctx.check_cancelled()
        self._done += read
        if self._done * _TOLD // self._total > self._told:
            self._told = self._done * _TOLD // self._total
            self._ctx.metric(step=min(self._done, self._total), total=self._total)


def _write(found: Contents, head: Manifest, path: Path, step: Callable[[int], None]) -> None:
    """The manifest with the hash of every entry, then the entries in its order."""
    looks = [_look(content, step) for content in found.entries]
    listed = [
        Entry(content.name, content.size, digest) for content, (digest, _) in zip(found.entries, looks, strict=True)
    ]
    lines = manifest_lines(replace(head, entries=tuple(listed)))
    with path.open("xb") as file, zipfile.ZipFile(file, "w") as archive:
        _add(archive, Content(MANIFEST, len(lines), data=lines), True, step)
        for content, (digest, packs) in zip(found.entries, looks, strict=True):
            if _add(archive, content, packs, step) != digest:
                raise CoreError("export_changed", {"project": head.project}, "hint_export_changed")
        archive.close()
        file.flush()
        os.fsync(file.fileno())


def _look(content: Content, step: Callable[[int], None]) -> tuple[str, bool]:
    """The hash of an entry, and whether it is to be packed.

    Weights don't get smaller. What gets very much smaller could be taken for an attack by who reads it.
    """
    digest, deflate, packed = hashlib.sha256(), zlib.compressobj(1), 0
    packs = not content.name.endswith(".safetensors")
    for block in _blocks(content):
        digest.update(block)
        packed += len(deflate.compress(block)) if packs and content.size > SMALL else 0
        step(len(block))
    packed += len(deflate.flush())
    return digest.hexdigest(), packs and (content.size <= SMALL or packed * RATIO > 4 * content.size)


def _add(archive: zipfile.ZipFile, content: Content, packs: bool, step: Callable[[int], None]) -> str:
    """Write one entry, with nothing in it that says when or by whom. -> its hash"""
    about = zipfile.ZipInfo(content.name)
    about.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
    about.create_system, about.external_attr, about.file_size = 3, 0o600 << 16, content.size
    digest = hashlib.sha256()
    with archive.open(about, "w") as target:
        for block in _blocks(content):
            digest.update(block)
            target.write(block)
            step(len(block))
    return digest.hexdigest()


def _blocks(content: Content) -> Iterator[bytes]:
    if content.path is None:
        yield content.data
        return
    try:
        with content.path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except FileNotFoundError:
        raise CoreError("export_changed", {"project": content.name}, "hint_export_changed") from None
