"""A found mix on fresh seeds, against what one would have mixed without a search.

It was picked by the scores that it is shown by, so they flatter it (see core.confirm). Trained again on seeds that
nobody picked by, it is held against gold only, everything, the best single ingredient, and half of each; on dev, and on
test where somebody looks at that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from core import confirm as confirming
from core.confirm import CONFIRM, REPEATS, Asked
from core.errors import CoreError
from core.evaluation.comparison import Difference, compare, measure
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Metric, Verdict
from core.groups import Group, counts_of, evaluated, group_id
from core.jobs.folder import Run
from core.launch import look_at_test
from core.mix_found import BASELINES, Baseline, Found, baselines
from core.mix_trials import MixSearch
from core.params import canonical
from core.project import record
from core.recipe_text import mix_name
from core.repeats import group_now, queue, repeats_of, told
from core.runs import RunSpec
from core.search.surrogate import Surrogate
from core.settle import decide
from core.trainings import About, note
from core.workspace import Workspace

FRESH = "search_confirm"  # the event that a search's mix is trained again beside its baselines


@dataclass(frozen=True)
class Fresh:
    """A found mix trained again, as the project's history has it. `baselines`: groups by name; `seeds`: the fresh
    ones; `first`: by how much it was expected to lead, in what was searched for."""

    group: str
    baselines: Mapping[Baseline, str]
    seeds: tuple[int, ...]
    first: Mapping[Baseline, float] = field(default_factory=dict[Baseline, float])

    @property
    def groups(self) -> list[str]:
        return [self.group, *self.baselines.values()]


def confirm(found: Found, repeats: int = REPEATS) -> list[str]:
    """Train the found mix and its baselines on the same fresh seeds. -> ids of the runs

    From then on they are mixes of the project like any other. Raises CoreError `search_gold_best` where gold only did
    best, `confirm_repeats` for fewer than 2 seeds; those of models.
    """
    if found.nothing or found.best is None:
        raise CoreError("search_gold_best", {})
    if repeats < 2:
        raise CoreError("confirm_repeats", {"n": repeats})
    seeds = confirming.unused(found.workspace, found.project, found.frame.splits, repeats)
    others = baselines(found)
    specs = [_fresh(found, found.now.mixes[found.best].group, seeds)]
    specs += [found.frame.specs(amounts, seeds) for amounts in others.values()]
    mixes = [found.mix, *(found.frame.mix(amounts) for amounts in others.values())]
    groups = [
        note(found.workspace, found.project, some, About(mix_name(mix), mix, found.begun.train, found.frame.splits),
             {"fresh": True})
        for some, mix in zip(specs, mixes, strict=True)
    ]  # fmt: skip
    rows = np.stack([found.row, *(_row(found, amounts) for amounts in others.values())])
    leads = _leads(found.now.process, rows)
    about = Fresh(
        groups[0], dict(zip(others, groups[1:], strict=True)), tuple(seeds), dict(zip(others, leads, strict=True))
    )
    record(found.workspace, found.project, {"event": FRESH, "run": found.begun.run, **canonical(about)})
    for group, lead in zip(groups[1:], _leads(found.rate("", "f1"), rows), strict=True):
        asked = Asked(groups[0], group, max(1, len(found.now.mixes)), lead, tuple(seeds))
        record(found.workspace, found.project, {"event": CONFIRM, **canonical(asked)})
    return [found.workspace.submit(spec)[0].id for spec in chain.from_iterable(zip(*specs, strict=True))]


def _leads(process: Surrogate, rows: np.ndarray) -> list[float]:
    """Of the first mix over each other one. *Shape:* (mixes, ingredients)."""
    mean = process.at(rows)[0]
    return (mean[0] - mean[1:]).tolist()


def _row(found: Found, amounts: Mapping[str, float]) -> np.ndarray:
    return np.array([amounts.get(name, 0.0) for name in found.names])


def _fresh(found: Found, group: str, seeds: Sequence[int]) -> list[RunSpec]:
    """More trainings of a group, which somebody may have launched in another way."""
    specs = found.frame.specs(found.amounts, seeds)
    if group_id(specs[0]) == group:
        return specs
    return repeats_of(found.workspace, found.project, group_now(found.workspace, found.project, group), seeds)


def fresh(workspace: Workspace, project: str, run: str) -> Fresh | None:
    """The newest confirmation of a search; None where nobody asked for one."""
    return next(confirmations(workspace, project, run), None)


def confirmations(workspace: Workspace, project: str, run: str = "") -> Iterator[Fresh]:
    """Those of a search, or of all searches of a project, the newest first."""
    for event in reversed(told(workspace, project, FRESH)):
        if not run or event.get("run") == run:
            others: dict[Baseline, str] = {
                name: str(event["baselines"][name]) for name in BASELINES if name in event["baselines"]
            }
            first: dict[Baseline, float] = {
                name: float(event["first"][name]) for name in others if name in event.get("first", {})
            }
            yield Fresh(str(event["group"]), others, tuple(int(seed) for seed in event["seeds"]), first)


def go_on(workspace: Workspace, project: str, asked: Fresh) -> list[str]:
    """Submit again what of a confirmation did not end well. -> ids of all its runs"""
    ids: list[str] = []
    for group in _groups(workspace, project, asked):
        ids += queue(workspace, group, repeats_of(workspace, project, group, asked.seeds))
    return ids


def _groups(workspace: Workspace, project: str, asked: Fresh) -> list[Group]:
    """With their fresh repeats alone."""
    return [confirming.only(group_now(workspace, project, id), asked.seeds) for id in asked.groups]


def pending(workspace: Workspace, project: str, asked: Fresh) -> list[Run]:
    """Fresh repeats that are still to end."""
    found = _groups(workspace, project, asked)
    return [run for group in found for run in group.runs.values() if run.pending]


def finished(workspace: Workspace, project: str, asked: Fresh) -> int:
    """How many fresh repeats ended well."""
    return sum(len(group.finished) for group in _groups(workspace, project, asked))


@dataclass(frozen=True)
class Held:
    """The found mix against a baseline in what was searched for, on fresh repeats alone; differences -1..1.

    `name`: of the baseline's mix; `first`: the difference that was expected when it was picked; `fresh`, `verdict`:
    None before there is one; `finished` of the mix's repeats ended well.
    """

    name: str
    first: float | None
    fresh: Difference | None
    verdict: Verdict | None
    finished: int
    pending: int


def held(
    workspace: Workspace, project: str, asked: Fresh, search: MixSearch | None, split: str = "dev"
) -> dict[Baseline, Held]:
    """What fresh repeats say of the mix against each baseline. Without a search, or where the worst label was searched
    for, it is held in F1 of all. Raises CoreError `group_unknown` where a mix of them was deleted."""
    group, *others = _groups(workspace, project, asked)
    label, metric = ("", "f1") if search is None or search.worst else (search.label, search.metric)
    return {
        name: _held(workspace, group, other, asked.first.get(name), label, metric, split)
        for name, other in zip(asked.baselines, others, strict=True)
    }


def _held(
    workspace: Workspace, group: Group, other: Group, first: float | None, label: str, metric: Metric, split: str
) -> Held:
    there = [len(evaluated(workspace, one, split)) for one in (group, other)]
    pending = sum(run.pending for one in (group, other) for run in one.runs.values())
    difference, verdict = None, None
    if min(there):
        before, after = (measure(counts_of(workspace, one, split)) for one in (other, group))
        rows = {row.label: row for row in compare(before, after).all}
        difference = rows[label].difference[metric] if label in rows else None
    if difference is not None:
        enough = min(there) >= ENOUGH_SEEDS
        verdict = decide(difference.value, difference.p, difference.p_same(MARGIN))[0] if enough else "few_repeats"
    return Held(other.name, first, difference, verdict, len(group.finished), pending)


def look(workspace: Workspace, project: str, asked: Fresh) -> Run | None:
    """Look at test with the fresh repeats of the mix and its baselines: once, and on record. None where that was done,
    or there is no test split."""
    groups = _groups(workspace, project, asked)
    if any("test" not in group.corpora for group in groups):
        return None
    return look_at_test(workspace, project, groups)
