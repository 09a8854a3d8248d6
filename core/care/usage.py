"""What takes how much room in a workspace.

Ten thousand run folders take a second or two to look through, too long for a page, and what a run would find would be
old when it ended (it could not be asked again either: the same spec is the same run). So each folder's figures are
remembered in `cache` until the folder changes, and who has no patience is told how many are left to look at.
"""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.care.facts import Facts, facts
from core.care.folders import Tree, measure, settled, unchanged
from core.jobs.folder import read_object, write_text
from core.runs import ACTIVE
from core.training.features import ROWS, STATES
from core.workspace import Workspace

MEMORY = "disk-use.json"  # in `cache`
_VERSION = 2
KINDS = (  # the lines of the table, in its order
    # of runs; the last is all else in them
    *("weights", "checkpoints", "predictions", "features", "logs", "archives", "runs"),
    *("corpora", "uploads", "unused", "models", "projects", "cache", "trash", "other"),
)
_FILE = re.compile("file:[0-9a-f]{64}")
YOUNG = 3600.0  # seconds in which what nothing refers to may be on its way into a run


@dataclass(frozen=True)
class Usage:
    """What lies in a workspace. `left`: folders that nobody has looked at yet.

    `runs`, `models`, `projects`, `trash`: by name of the folder; the parts of a run are the first of KINDS.
    `corpora`, `uploads`: one part for each file, by its name. `unused`: those files no project or run refers to,
    relative to the workspace; empty while folders are left.
    """

    runs: Mapping[str, Tree]
    facts: Mapping[str, Facts]
    models: Mapping[str, Tree]
    projects: Mapping[str, Tree]
    trash: Mapping[str, Tree]
    corpora: Tree
    uploads: Tree
    cache: Tree
    other: Tree
    unused: frozenset[str] = frozenset()
    left: int = 0


Kept = tuple[Tree, Facts | None]  # of a folder


@dataclass
class _Looking:
    """One look at a workspace: what was known, what is known now, and how much patience is left."""

    root: Path
    known: Mapping[str, Kept]
    end: float  # by the monotonic clock
    now: float = field(default_factory=time.time)
    keep: dict[str, Kept] = field(default_factory=dict[str, Kept])
    facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    fresh: bool = False  # whether anything was looked at anew
    left: int = 0

    def trees(self, parent: str, active: frozenset[str] = frozenset()) -> dict[str, Tree]:
        """What lies in each folder of `parent`; an active one is looked at each time."""
        found: dict[str, Tree] = {}
        for name in sorted(os.listdir(self.root / parent)):
            place, folder = f"{parent}/{name}", f"{self.root}/{parent}/{name}"
            kept = self.known.get(place)
            if kept is None or name in active or not unchanged(folder, kept[0]):
                if time.monotonic() > self.end:
                    self.left += 1
                    continue
                self.fresh = True
                kept = (measure(folder, part_of_run), facts(Path(folder)) if parent == "runs" else None)
            tree, about = kept
            found[name] = tree
            if about is not None:
                self.facts[name] = about
            if tree.stamps and name not in active and (kept is self.known.get(place) or settled(tree, self.now)):
                self.keep[place] = kept
        return found


def part_of_run(path: str) -> str:
    """The part of a run that a path in its folder belongs to."""
    name = path.partition("/")[0]
    if name == "model":
        return "weights"
    if name in ("checkpoints", "best"):
        return "checkpoints"
    if name.startswith("predictions-"):
        return "predictions"
    if name == "log.txt" or name.startswith("metrics-"):
        return "logs"
    if name in (STATES, ROWS):
        return "features"
    return "archives" if name.endswith(".zip") else "runs"


def usage(workspace: Workspace, seconds: float | None = None) -> Usage:
    """Look at a workspace, for about so many seconds; None: until everything was looked at."""
    root, known = workspace.root, _remembered(workspace)
    looking = _Looking(root, known, float("inf") if seconds is None else time.monotonic() + seconds)
    store = workspace.store
    active = [run.id for state in ACTIVE for run in store.list(state=state)]
    runs = looking.trees("runs", frozenset(active))
    models, projects, trash = (looking.trees(parent) for parent in ("models", "projects", "trash"))
    if looking.fresh or len(looking.keep) != len(known):
        _remember(workspace, looking.keep)
    corpora, uploads = (measure(root / parent, lambda path: path) for parent in ("corpora", "files"))
    unused = frozenset[str]() if looking.left else frozenset(_unused(workspace, looking.facts, corpora, uploads))
    cache = measure(root / "cache", lambda path: path.partition("/")[0])
    other = _other(root)
    return Usage(runs, looking.facts, models, projects, trash, corpora, uploads, cache, other, unused, looking.left)


def _other(root: Path) -> Tree:
    """The database, locks and logs of the workspace itself, and its folders."""
    parts: Counter[str] = Counter()
    with os.scandir(root) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                parts[entry.name] += entry.stat(follow_symlinks=False).st_blocks * 512
    for folder in ("", "runs", "models", "projects", "trash"):
        parts["/"] += os.lstat(root / folder).st_blocks * 512
    return Tree(dict(parts), {}, {})


def _unused(workspace: Workspace, known: Mapping[str, Facts], corpora: Tree, uploads: Tree) -> Iterator[str]:
    """Corpora and uploaded files that no run, deleted ones included, and no name refers to."""
    places = (place for pattern in ("*/spec.json", "*/runs/*/spec.json") for place in workspace.trash.glob(pattern))
    deleted = [facts(place.parent) for place in places]
    told = [one for one in [*known.values(), *deleted] if one is not None]
    made = {f"corpus:{one}" for each in told for one in each.made}
    refs = made | {ref for each in told for ref in each.refs}
    for name in workspace.corpus_names():
        inputs = (read_object(workspace.corpora / f"{name}.json") or {}).get("inputs")
        refs |= {str(value) for value in inputs.values()} if isinstance(inputs, dict) else set[str]()
    for pattern in ("projects/*/project.yaml", "trash/project-*/project.yaml"):  # what ingredients name
        for place in workspace.root.glob(pattern):
            refs |= {*_FILE.findall(place.read_text(encoding="utf-8", errors="replace"))}
    found = [("corpora", name, f"corpus:{name[:-6]}") for name in corpora.names() if name.endswith(".arrow")]
    found += [("files", name, f"file:{name}") for name in uploads.names() if name and not name.startswith(".")]
    for parent, name, ref in found:
        if ref not in refs and not young(workspace.root / parent / name):
            yield f"{parent}/{name}"


def young(path: Path) -> bool:
    """Whether a file is so new that a run which needs it may be about to begin."""
    try:
        return time.time() - path.stat().st_mtime < YOUNG
    except FileNotFoundError:
        return True


def by_kind(found: Usage) -> dict[str, int]:
    """Bytes by the lines of KINDS; a file with several names counts once, where it is met first."""
    totals = Counter(dict.fromkeys(KINDS, 0))
    seen: set[str] = set()
    for kind, tree in _all(found):
        for part, size in tree.parts.items():
            totals[_line(found, kind, part)] += size
        for inode, (part, size) in tree.linked.items():
            totals[_line(found, kind, part)] += 0 if inode in seen else size
            seen.add(inode)
    return dict(totals)


def _all(found: Usage) -> Iterator[tuple[str, Tree]]:
    many = {"runs": found.runs, "models": found.models, "projects": found.projects, "trash": found.trash}
    for kind, trees in many.items():
        yield from ((kind, tree) for tree in trees.values())
    yield from (
        ("corpora", found.corpora), ("uploads", found.uploads), ("cache", found.cache), ("other", found.other)
    )  # fmt: skip


def _line(found: Usage, kind: str, part: str) -> str:
    if kind == "runs":
        return part
    place = {"corpora": "corpora", "uploads": "files"}.get(kind)
    return "unused" if place and f"{place}/{part}" in found.unused else kind


def _remembered(workspace: Workspace) -> dict[str, Kept]:
    data = read_object(workspace.root / "cache" / MEMORY) or {}
    if data.get("version") != _VERSION:
        return {}
    try:
        return {place: _known(*kept) for place, kept in data["folders"].items()}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}


def _known(parts: Any, stamps: Any, linked: Any, about: Any) -> Kept:
    tree = Tree(parts, stamps, {inode: (str(part), int(size)) for inode, (part, size) in linked.items()})
    if about is None:
        return tree, None
    kind, refs, made, group, best = about
    return tree, Facts(kind, tuple(refs), tuple(made), group, best)


def _remember(workspace: Workspace, keep: Mapping[str, Kept]) -> None:
    """A disk that is full forgets, and is none the worse for it."""
    folders = {
        place: [tree.parts, tree.stamps, tree.linked, None if about is None else list(vars(about).values())]
        for place, (tree, about) in keep.items()
    }
    text = json.dumps({"version": _VERSION, "folders": folders}, separators=(",", ":"))
    with suppress(OSError):
        write_text(workspace.root / "cache" / MEMORY, text)
