"""Cleaning up: what can go, what that costs, and moving it into the trash, from which it comes back until emptied."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.care import batches
from core.care.batches import Item, Moved
from core.care.facts import Facts
from core.care.folders import measure
from core.care.usage import MEMORY, Usage, young
from core.jobs.folder import Run, derived, held, read_object
from core.params import CLOSED, build
from core.runs import ACTIVE, ENDED, RunContext
from core.training import checkpoints
from core.workspace import Workspace

OLD = 7 * 86400.0  # seconds after its end until a run's log is called old
_MAKERS = frozenset({"import", "augment", "unpack", "robustness"})  # kinds that write corpora, files and the cache


@dataclass(frozen=True)
class Plan:
    """What would go. `items`: in the order of CHOICES."""

    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)

    def of(self, choice: str) -> list[Item]:
        return [item for item in self.items if item.choice == choice]


@dataclass(frozen=True)
class _Look:
    """A workspace as it is when a plan is made."""

    workspace: Workspace
    usage: Usage
    runs: Sequence[Run]

    def ended(self, part: str) -> Iterator[tuple[Run, Path, int]]:
        """The ended runs that have something of a part, with their folders and its bytes."""
        for run in self.runs:
            tree = self.usage.runs.get(run.id)
            size = tree.of(part) if tree is not None else 0
            if size and run.state in ENDED:
                yield run, self.workspace.run_folder(run.id), size


def _part(run: Run, inside: str, size: int, choice: str) -> Item:
    return Item(f"runs/{run.id}/{inside}", size, choice, run.id, run.attempt)


def _spare(look: _Look) -> Iterator[Item]:
    """All checkpoints of a run but the newest and the best weights that it knows of."""
    for run, folder, _ in look.ended("checkpoints"):
        steps = checkpoints.steps(folder / "checkpoints")
        kept = {steps[-1][1], _best(steps[-1][1])} if steps else set[Path]()
        for _, path in [*steps, *checkpoints.steps(folder / "best")]:
            if path not in kept:
                yield _part(run, path.relative_to(folder).as_posix(), _bytes(path), "spare_checkpoints")


def _best(checkpoint: Path) -> Path:
    """The best weights so far, as the state of a checkpoint names them."""
    progress = (read_object(checkpoint / "state.json") or {}).get("progress")
    step = progress.get("best_step") if isinstance(progress, dict) else None
    return checkpoints.folder_of(checkpoint.parent.parent / "best", step if isinstance(step, int) else 0)


def _bytes(path: Path) -> int:
    return measure(path, lambda inside: "").bytes


def _all_checkpoints(look: _Look) -> Iterator[Item]:
    for run, folder, _ in look.ended("checkpoints"):
        for name in ("checkpoints", "best"):
            if (folder / name).is_dir():
                yield _part(run, name, _bytes(folder / name), "checkpoints")


def _weights(look: _Look) -> Iterator[Item]:
    """The weights of all repeats of a mix but the one that did best on dev, the first of equals."""
    groups: dict[str, list[tuple[Run, int]]] = {}
    for run, _, size in look.ended("weights"):
        about = look.usage.facts.get(run.id, Facts(""))
        groups.setdefault(about.group or run.id, []).append((run, size))
    for members in groups.values():
        best = max(members, key=lambda one: (_score(look, one[0]), -one[0].submitted))
        yield from (_part(run, "model", size, "weights") for run, size in members if run.id != best[0].id)


def _score(look: _Look, run: Run) -> float:
    best = look.usage.facts.get(run.id, Facts("")).best
    return -1.0 if best is None or run.state != "succeeded" else best


def _logs(look: _Look) -> Iterator[Item]:
    for run, folder, _ in look.ended("logs"):
        log = folder / "log.txt"
        if (run.ended or time.time()) < time.time() - OLD and log.is_file():
            yield _part(run, log.name, _bytes(log), "logs")


def _archives(look: _Look) -> Iterator[Item]:
    """Archives that were written, with their runs, and archives that were read into a project."""
    facts = look.usage.facts
    for run, _, _ in look.ended("archives"):
        if run.kind in ("export", "model_export"):
            yield Item(f"runs/{run.id}", look.usage.runs[run.id].bytes, "archives", run.id, run.attempt)
    done = {run.id for run in look.runs if run.kind == "unpack" and run.state == "succeeded"}
    read = {file for id in done if id in facts for file in facts[id].reads("file")}
    others = {file for id, about in facts.items() if id not in done for file in about.reads("file")}
    for file in sorted(read - others):
        size = look.usage.uploads.of(file)
        if size:
            yield Item(f"files/{file}", size, "archives")


def _features(look: _Look) -> Iterator[Item]:
    """Hidden states that were written, with their runs, or those would count as done."""
    for run, _, _ in look.ended("features"):
        yield Item(f"runs/{run.id}", look.usage.runs[run.id].bytes, "features", run.id, run.attempt)


def _cache(look: _Look) -> Iterator[Item]:
    for name in look.usage.cache.names():
        if name and name != MEMORY:
            yield Item(f"cache/{name}", look.usage.cache.of(name), "cache")


def _unused(look: _Look) -> Iterator[Item]:
    for path in sorted(look.usage.unused):
        parent, _, name = path.partition("/")
        tree = look.usage.corpora if parent == "corpora" else look.usage.uploads
        yield Item(path, tree.of(name), "unused")


# what can be asked for; its words are the codes clean_NAME, and cost_NAME for what it costs
CHOICES: Mapping[str, Callable[[_Look], Iterator[Item]]] = {
    "spare_checkpoints": _spare,
    "checkpoints": _all_checkpoints,
    "weights": _weights,
    "logs": _logs,
    "archives": _archives,
    "features": _features,
    "cache": _cache,
    "unused": _unused,
}


def offers(workspace: Workspace, found: Usage) -> dict[str, Plan]:
    """What would go by each of CHOICES; nothing is touched."""
    look = _Look(workspace, found, workspace.store.list())
    return {name: Plan(tuple(listed(look))) for name, listed in CHOICES.items()}


def plan(workspace: Workspace, found: Usage, choices: Iterable[str]) -> Plan:
    """What would go by some of CHOICES; nothing is touched."""
    offered = offers(workspace, found)
    return together([offered[name] for name in CHOICES if name in set(choices)])


def together(plans: Iterable[Plan]) -> Plan:
    """Several plans as one: a folder that goes takes along what is in it."""
    items = {item.path: item for one in plans for item in one.items}
    return Plan(tuple(item for path, item in items.items() if not _inside(path, items)))


def _inside(path: str, items: Mapping[str, Item]) -> bool:
    """Whether a folder that holds this goes as well."""
    parts = path.split("/")
    return any("/".join(parts[:depth]) in items for depth in range(1, len(parts)))


def clean(workspace: Workspace, batch: batches.Batch, step: batches.Step) -> Moved:
    """Carry out a plan that was begun: what changed since then, or is being read, stays.

    Raises CoreError `batch_busy`.
    """
    verified: dict[str, set[Path]] = {}
    return batches.carry_out(workspace, batch, lambda items: _allowed(workspace, items, verified), step)


def _allowed(workspace: Workspace, items: Sequence[Item], verified: dict[str, set[Path]]) -> list[Item]:
    """Those that no active run reads or could be writing, and that are as they were when the plan was made.

    `verified`: what each run would go on from, as far as it is known; hashing takes time, once.
    """
    store = workspace.store
    active = [run for state in ACTIVE for run in store.list(state=state)]
    read = {ref for run in active for ref in _refs(workspace, run)}
    making = any(run.kind in _MAKERS for run in active)
    busy = {run.id for run in active} | {ref.removeprefix("run:") for ref in read}
    allowed: list[Item] = []
    for item in items:
        if item.run is None:
            may = _free(workspace, item, read, making)
        else:
            may = item.run not in busy and _as_planned(workspace, item, verified)
        allowed += [item] if may else []
    return allowed


def _refs(workspace: Workspace, run: Run) -> list[str]:
    spec = read_object(workspace.run_folder(run.id) / "spec.json") or {}
    return [str(value) for value in spec.get("inputs", {}).values()]


def _free(workspace: Workspace, item: Item, read: set[str], making: bool) -> bool:
    """Whether nobody reads or is about to write a file that belongs to no run."""
    parent, _, name = item.path.partition("/")
    ref = f"corpus:{name.removesuffix('.arrow')}" if parent == "corpora" else f"file:{name}"
    if ref in read:
        return False
    return item.choice == "archives" or not (making or (item.choice == "unused" and young(workspace.root / item.path)))


def _as_planned(workspace: Workspace, item: Item, verified: dict[str, set[Path]]) -> bool:
    """Whether a run has ended, was not started since the plan was made, and can do without this part."""
    folder = workspace.run_folder(str(item.run))
    run = derived(folder)  # the truth, and quicker than all rows
    if run is None or run.state not in ENDED or run.attempt != item.attempt or held(folder):
        return False
    if item.choice != "spare_checkpoints":
        return True
    if run.id not in verified:
        verified[run.id] = _verified(folder)
    return workspace.root / item.path not in verified[run.id]


def _verified(folder: Path) -> set[Path]:
    """What a run would go on from: its newest checkpoint that verifies, and the best weights that this one names."""
    found = checkpoints.newest(folder / "checkpoints")
    return {found[0], _best(found[0])} if found else set()


@dataclass(frozen=True)
class CleanParams:
    """`batch`: the name of one that was begun."""

    __pydantic_config__ = CLOSED
    batch: str


def run(ctx: RunContext) -> None:
    """The run kind `clean`: carries a batch out; killed and resumed, it goes on where it was.

    Raises CoreError `batch_unknown` where it was undone or emptied meanwhile, `batch_busy`.
    """
    params = build(CleanParams, ctx.spec.params, "clean")
    workspace = Workspace(ctx.root)

    def step(done: int, of: int) -> None:
        ctx.check_cancelled()
        ctx.metric(step=done, total=of)

    moved = clean(workspace, batches.read(workspace, params.batch), step)
    ctx.finish({"batch": params.batch, "items": moved.items, "bytes": moved.bytes, "left": moved.left})
