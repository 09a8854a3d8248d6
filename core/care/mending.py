"""Mending what core.care.doctor finds. Nothing is deleted: what is set aside lies in the trash as one batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from core.care import batches, trash
from core.care.batches import Item
from core.care.doctor import Finding, examine
from core.care.facts import facts
from core.care.folders import measure
from core.errors import CoreError
from core.jobs import trash as deleted
from core.jobs.folder import read_json
from core.params import CLOSED, build
from core.runs import RunContext, RunSpec
from core.workspace import Workspace

_MAKERS = ("import", "augment")  # in the order in which what they made can be made again


@dataclass(frozen=True)
class Mended:
    """`aside`: the batch of what was set aside; `again`: runs that make anew what was damaged, in order."""

    found: list[Finding]
    aside: str | None
    again: list[RunSpec]


def examine_and_mend(workspace: Workspace, step: batches.Step = lambda done, of: None) -> Mended:
    """Look, and mend what is found; twice where the database was broken: only then it is known what else is."""
    found = examine(workspace, step)
    aside, again = mend(workspace, found)
    if any(finding.mend == "rebuild" for finding in found):
        more = examine(workspace, step)
        found += more
        second, again = mend(workspace, more)
        aside = second or aside
    return Mended(found, aside, again)


def mend(workspace: Workspace, found: Sequence[Finding]) -> tuple[str | None, list[RunSpec]]:
    """Mend all that can be. -> (the batch of what was set aside, runs that make anew what was damaged, in order)"""
    for name, act in _ACTS.items():
        for finding in found:
            if finding.mend == name:
                act(workspace, finding)
    gone = [finding for finding in found if finding.mend == "aside"]
    damaged = [finding for finding in found if finding.mend == "remake"]
    there = [finding for finding in (*gone, *damaged) if (workspace.root / finding.where).exists()]
    batch = _aside(workspace, there) if there else None
    return batch, _remade(workspace, {Path(finding.where).stem for finding in damaged})


def _rebuild(workspace: Workspace, _: Finding) -> None:
    workspace.store.rebuild()


def _row(workspace: Workspace, finding: Finding) -> None:
    store = workspace.store
    store.forget(str(finding.run))
    store.adopt(str(finding.run))


def _forget(workspace: Workspace, finding: Finding) -> None:
    workspace.store.forget(str(finding.run))


def _adopt(workspace: Workspace, finding: Finding) -> None:
    workspace.store.adopt(str(finding.run))


def _mode(workspace: Workspace, finding: Finding) -> None:
    path = workspace.root / finding.where
    path.chmod(path.stat().st_mode & 0o700)


def _manifest(workspace: Workspace, finding: Finding) -> None:
    batches.mended(workspace, Path(finding.where).name)


def _dropped(workspace: Workspace, _: Finding) -> None:
    trash.empty(workspace, [])


_ACTS: Mapping[str, Callable[[Workspace, Finding], None]] = {
    "rebuild": _rebuild,
    "row": _row,
    "forget": _forget,
    "adopt": _adopt,
    "mode": _mode,
    "manifest": _manifest,
    "dropped": _dropped,
}


def _aside(workspace: Workspace, found: Sequence[Finding]) -> str:
    """Move things into a batch, from which they can be brought back as they were."""
    items = [_item(workspace, finding) for finding in found]
    batch = batches.begin(workspace, items, "aside")
    batches.carry_out(workspace, batch, lambda some: some, lambda done, of: None)
    for finding in found:
        if finding.code == "finding_spec":
            workspace.store.forget(str(finding.run))
    return batch.name


def _item(workspace: Workspace, finding: Finding) -> Item:
    size = measure(workspace.root / finding.where, lambda path: "").bytes
    return Item(
        finding.where, size, finding.code, finding.run if finding.attempt is not None else None, finding.attempt
    )


def _remade(workspace: Workspace, lost: set[str]) -> list[RunSpec]:
    """The specs of the runs that made lost corpora; those runs go to the trash, or they would count as done."""
    specs: list[RunSpec] = []
    for kind in _MAKERS:
        for run in workspace.store.list(kind=kind, state="succeeded"):
            folder = workspace.run_folder(run.id)
            about = facts(folder)
            made = lost & set(about.made) if about else set[str]()
            if made:
                spec = RunSpec.from_json(read_json(folder / "spec.json"))
                try:
                    deleted.delete(workspace.root, [run.id])
                except CoreError:  # an active run needs it: next time
                    continue
                specs.append(spec)
                lost = lost - made
    return specs


@dataclass(frozen=True)
class DoctorParams:
    """`asked`: when, in nanoseconds since 1970, so that each look is a run of its own; `mend`: mend what is found."""

    __pydantic_config__ = CLOSED
    asked: int
    mend: bool = False


def run(ctx: RunContext) -> None:
    """The run kind `doctor`. What must be made anew is queued, to be done after this."""
    params = build(DoctorParams, ctx.spec.params, "doctor")
    workspace = Workspace(ctx.root)

    def step(done: int, of: int) -> None:
        ctx.check_cancelled()
        ctx.metric(step=done, total=of)

    if not params.mend:
        ctx.finish({"findings": [asdict(finding) for finding in examine(workspace, step)]})
        return
    done = examine_and_mend(workspace)
    for spec in done.again:
        workspace.queue(spec, {})
    left = examine(workspace, step)
    told = {"mended": len([finding for finding in done.found if finding not in left]), "aside": done.aside}
    ctx.finish({"findings": [asdict(finding) for finding in left]} | told)
