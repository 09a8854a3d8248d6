"""Confirming the best of many mixes: it is trained again on fresh seeds, and what it loses there is shown.

Whoever picks the best of many picks luck as well: the figure it was picked by flatters it (the winner's curse; for
trained models Cawley & Talbot 2010, jmlr.org/papers/v11/cawley10a.html). Repeats that nobody picked by don't. They take
away the luck of seeds; that the rows of dev suit the mix, only test can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field

from core.errors import CoreError
from core.evaluation.comparison import Difference, compare, measure
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Verdict
from core.groups import LAUNCH, Group, counts_of, evaluated, history
from core.params import build, canonical
from core.project import record
from core.repeats import note_repeats, queue, repeats_of, told
from core.settle import decide
from core.workspace import Workspace

CONFIRM = "confirm"
REPEATS = 8


@dataclass(frozen=True)
class Asked:
    """A confirmation as the project's history has it. `of`: mixes it was the best of; `seeds`: the fresh ones;
    `first`: the difference on dev that it was chosen by."""

    group: str
    baseline: str
    of: Annotated[int, Field(ge=1)]
    first: float
    seeds: tuple[int, ...] = field(default_factory=tuple[int, ...])


@dataclass(frozen=True)
class Confirmation:
    """What fresh repeats say of a mix that was the best of many; differences of F1 over all labels (-1..1).

    `first`: without the fresh repeats, on dev the one it was chosen by, None where nothing else was evaluated; `fresh`:
    of the fresh repeats, all of the baseline's against them; `verdict` on these alone, None before there is one;
    `finished` of `asked` fresh repeats ended well, `pending` are still to end.
    """

    of: int
    first: float | None
    fresh: Difference | None
    verdict: Verdict | None
    finished: int
    asked: int
    pending: int

    @property
    def shrinkage(self) -> float | None:
        """By how much it had flattered itself."""
        return None if self.first is None or self.fresh is None else self.first - self.fresh.value


def confirm(
    workspace: Workspace, project: str, group: Group, baseline: Group, of: int, repeats: int = REPEATS
) -> list[str]:
    """Train a group again on fresh seeds, above all that were used on its splits. -> ids of the runs

    Raises CoreError `confirm_repeats` for fewer than 2, `nothing_evaluated`; `model_*` as core.repeats.repeats_of.
    """
    if repeats < 2:
        raise CoreError("confirm_repeats", {"n": repeats})
    first = difference_of(workspace, group, baseline, "dev").value
    seeds = unused(workspace, project, group.corpora, repeats)
    specs = note_repeats(workspace, project, group, seeds, {"fresh": True})
    event = canonical(Asked(group.id, baseline.id, of, first, tuple(seeds)))
    record(workspace, project, {"event": CONFIRM, **event})
    return queue(workspace, group, specs)


def go_on(workspace: Workspace, project: str, group: Group, baseline: Group) -> list[str]:
    """Submit again what of a confirmation did not end well. -> ids of all its runs; none where there is none"""
    found = asked(workspace, project, group.id, baseline.id)
    if found is None:
        return []
    return queue(workspace, group, repeats_of(workspace, project, group, found.seeds))


def asked(workspace: Workspace, project: str, group: str, baseline: str) -> Asked | None:
    """The newest confirmation of a group against a baseline, by id."""
    for event in reversed(told(workspace, project, CONFIRM)):
        try:
            found = build(Asked, event, CONFIRM)
        except CoreError:  # of an archive that somebody wrote by hand
            continue
        if (found.group, found.baseline) == (group, baseline) and found.seeds:
            return found
    return None


def fresh_seeds(workspace: Workspace, project: str, group_id: str) -> frozenset[int]:
    """The seeds of a group that were launched to confirm it, whenever that was."""
    events = told(workspace, project, LAUNCH)
    mine = (event for event in events if event.get("fresh") is True and event.get("group") == group_id)
    return frozenset(seed for event in mine for seed in event["seeds"].values())


def fresh_only(workspace: Workspace, project: str, group: Group) -> Group:
    """The group with its fresh repeats alone: `counts_of`, `evaluated` and comparisons of it are of these."""
    return only(group, [*fresh_seeds(workspace, project, group.id)])


def only(group: Group, seeds: Sequence[int]) -> Group:
    """The group with some of its repeats alone."""
    return replace(group, runs={seed: run for seed, run in group.runs.items() if seed in seeds})


def confirmation(
    workspace: Workspace, project: str, group: Group, baseline: Group, split: str = "dev"
) -> Confirmation | None:
    """What came of the newest confirmation of a group against a baseline; None where there is none."""
    found = asked(workspace, project, group.id, baseline.id)
    if found is None:
        return None
    fresh, rest = only(group, found.seeds), only(group, [*set(group.runs) - set(found.seeds)])
    there, before = (len(evaluated(workspace, one, split)) for one in (fresh, baseline))
    first = found.first if split == "dev" else None
    if split != "dev" and before and evaluated(workspace, rest, split):
        first = difference_of(workspace, rest, baseline, split).value
    known = difference_of(workspace, fresh, baseline, split) if there and before else None
    verdict = None if known is None else _verdict(known, min(there, before) >= ENOUGH_SEEDS)
    pending = sum(run.pending for run in fresh.runs.values())
    return Confirmation(found.of, first, known, verdict, len(fresh.finished), len(found.seeds), pending)


def difference_of(workspace: Workspace, group: Group, baseline: Group, split: str) -> Difference:
    """The difference of F1 over all labels. Raises CoreError `nothing_evaluated`."""
    before, after = (measure(counts_of(workspace, one, split)) for one in (baseline, group))
    difference = compare(before, after).overall.difference["f1"]
    return difference or Difference(0.0)  # a split without a mention: nobody is better


def _verdict(difference: Difference, enough: bool) -> Verdict:
    """One question, asked once: nothing to correct for."""
    return decide(difference.value, difference.p, difference.p_same(MARGIN))[0] if enough else "few_repeats"


def unused(workspace: Workspace, project: str, corpora: Mapping[str, str], repeats: int) -> range:
    """So many seeds above all that a project used on the same splits. `corpora`: ids by split."""
    known = history(workspace, project).groups.values()
    first = 1 + max((seed for one in known if one.corpora == corpora for seed in one.members), default=-1)
    return range(first, first + repeats)
