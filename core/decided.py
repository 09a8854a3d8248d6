"""What people decide about the children of a project's ingredients: events of the project, which can be taken back one
by one, until they are made part of the ingredient and its pool is built again."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core import project as projects
from core.augment.decisions import Decision, check, read, text_of
from core.errors import CoreError
from core.jobs.folder import Run
from core.launch import start_pool
from core.params import build, canonical, digest
from core.project import Project
from core.recipe import AugmentedIngredient
from core.runs import kept, located
from core.workspace import Workspace

DECIDED, TAKEN_BACK = "child", "child_taken_back"  # events


@dataclass(frozen=True)
class Decided:
    """Of one ingredient. `now`: the last decision about each child that stands, by its id in hex, in the order in which
    they were taken; `taken`: how many decisions can be taken back; `ever`: children that were decided about."""

    now: Mapping[str, Decision] = field(default_factory=dict[str, Decision])
    taken: int = 0
    ever: frozenset[str] = frozenset()

    def count(self, verdict: str) -> int:
        return sum(one.verdict == verdict for one in self.now.values())


def decided(workspace: Workspace, project: str, name: str) -> Decided:
    """The decisions that stand in a project's history about the children of an ingredient, since it was last made."""
    stack, before, ever = list[Decision](), list[Decision](), set[str]()
    for event in projects.events(workspace, project):
        if name not in (event.get("ingredient"), event.get("name")):
            continue
        kind, one = event.get("event"), _decision(event)
        if kind == TAKEN_BACK and stack:
            stack.pop()
        elif kind == "ingredient_deleted":
            before, stack = stack, []
        elif kind == "ingredient_restored":
            stack = before
        elif kind == DECIDED and one is not None:
            stack.append(one)
            ever.add(one.child)
    return Decided({one.child: one for one in stack}, len(stack), frozenset(ever))


def decide(workspace: Workspace, project: str, name: str, decision: Decision, labels: Sequence[str]) -> None:
    """Note a decision. `labels`: those that the words of an edited child may carry. Raises CoreError `bad_decision`."""
    check(build(Decision, canonical(decision), "decision"), labels)
    projects.record(workspace, project, {"event": DECIDED, "ingredient": name, **canonical(decision)})


def take_back(workspace: Workspace, project: str, name: str) -> None:
    """Undo the last decision that stands."""
    projects.record(workspace, project, {"event": TAKEN_BACK, "ingredient": name})


def unused(workspace: Workspace, part: AugmentedIngredient, found: Decided, ids: Collection[str]) -> int:
    """How many of the decisions are not, or otherwise, in the pool that the ingredient stands for. `ids`: of its
    children, in hex; what was decided about others, which its settings don't make, doesn't count."""
    before, now = _of_pool(workspace, part), _wanted(workspace, part, found)
    changed = {child for child in {*before, *now} if before.get(child) != now.get(child)}
    return len({child for child in changed if child in before or child in ids})


def use(workspace: Workspace, project: Project, name: str) -> Run:
    """Make the decisions that stand part of the ingredient, and build its pool again. Raises CoreError
    `pool_not_ready`."""
    part = project.ingredients[name]
    assert isinstance(part, AugmentedIngredient)
    wanted = _wanted(workspace, part, decided(workspace, project.slug, name))
    held = None
    if wanted:
        text = text_of(wanted.values())
        sha = workspace.add_stream(io.BytesIO(text.encode()), "decisions")
        held = f"file:{sha}/decisions-{digest(text)[:8]}.jsonl"
    changed = projects.edit(
        workspace,
        project.slug,
        projects.with_ingredient(name, replace(part, decisions=held)),
        {"event": "decisions_used", "ingredient": name, "decisions": len(wanted)},
    )
    return start_pool(workspace, changed, name)


def _wanted(workspace: Workspace, part: AugmentedIngredient, found: Decided) -> dict[str, Decision]:
    """What is to be part of the ingredient: decisions of the project, and those that came with it, as far as nobody has
    decided about their children since."""
    brought = {child: one for child, one in _of_pool(workspace, part).items() if child not in found.ever}
    return brought | {child: one for child, one in found.now.items() if one.verdict != "accepted"}


def _of_pool(workspace: Workspace, part: AugmentedIngredient) -> dict[str, Decision]:
    """What is part of the ingredient already; nothing where the file is gone."""
    reference = kept(part.decisions or "")
    if reference is None:
        return {}
    try:
        return {one.child: one for one in read(workspace.root / located(reference), "decisions").values()}
    except CoreError:
        return {}


def _decision(event: Mapping[str, Any]) -> Decision | None:
    """The decision of an event; None where it is none that this program knows."""
    data = {key: event[key] for key in ("child", "verdict", "made", "tokens", "tags") if key in event}
    try:
        found = build(Decision, data, "decision")
        check(found)
    except CoreError:
        return None
    return found
