"""Gathering what a report says of a project: which mix, on which split, by which repeats."""

from collections.abc import Mapping, Sequence

import numpy as np

from core import contrast
from core.brief.facts import Brief, Candidate, Example, Reading, Rival
from core.brief.hundred import WHOLE, hundreds
from core.brief.sources import sources
from core.confirm import fresh_only
from core.corpus import Corpus
from core.cost import cost
from core.errors import CoreError
from core.evaluation.comparison import Comparison, compare, measure
from core.evaluation.verdicts import ENOUGH_SEEDS
from core.evaluation.worth import Worth, learning_curve
from core.gold_curve import candidates as worth_candidates
from core.gold_curve import curve_of, judged, points_of, resampled
from core.groups import Group, comparable, counts_of, evaluated, groups, predicted, split_of
from core.mix_fresh import confirmations, held
from core.project import Project
from core.report import browse
from core.report.finding import Finding, findings
from core.report.ledger import Entry, ledger
from core.scores import Counts
from core.settle import sequential_pairs
from core.tasks import task as task_of
from core.workspace import Workspace

EXAMPLES = 3  # sentences: the best, another one, and one that got worse
_WORDS = 14  # of an example that is read at a glance
_CLEAR = 0.5  # of the repeats must have changed their mind about it


def brief(
    workspace: Workspace, project: Project, mix: str = "", baseline: str = "", split: str = "", examples: int = EXAMPLES
) -> Brief:
    """Gather a report of a project.

    `mix`, `baseline`: by title or id, else the mix that a search confirmed last or the best on dev, and gold only;
    `split`: else test where enough repeats of both were looked at there, or dev. Raises CoreError `group_unknown`,
    `nothing_to_compare`, `nothing_evaluated`, `sides_rows_differ`.
    """
    there = groups(workspace, project.slug)
    finished = [group for group in there if group.finished and not group.curve]
    base, other = _sides(workspace, project, finished, mix, baseline)
    return _brief(workspace, project, there, (base, other), split, examples)


def _sides(
    workspace: Workspace, project: Project, there: Sequence[Group], mix: str, baseline: str
) -> tuple[Group, Group]:
    """Baseline and mix. Raises CoreError `nothing_to_compare`, `group_unknown`."""
    plain = [group for group in there if not group.marks]
    nothing = CoreError("nothing_to_compare", {"project": project.slug}, "hint_nothing_to_compare")
    if not plain:
        raise nothing
    base = contrast.named(there, baseline) if baseline else contrast.gold_only(plain) or plain[0]
    others = comparable(plain, base)
    if mix:
        other = contrast.named(there, mix)
    elif others:
        other = _confirmed(workspace, project, others) or next(iter(contrast.by_dev(workspace, others)), others[-1])
    else:
        raise nothing
    if contrast.other_splits(other, base):
        raise CoreError("sides_rows_differ", {"mix": other.name, "baseline": base.name})
    return base, other


def _confirmed(workspace: Workspace, project: Project, others: Sequence[Group]) -> Group | None:
    """The mix that was confirmed on fresh seeds last."""
    by_id = {group.id: group for group in others}
    found = confirmations(workspace, project.slug)
    return next((by_id[one.group] for one in found if one.group in by_id), None)


def _brief(
    workspace: Workspace, project: Project, there: Sequence[Group], both: tuple[Group, Group], split: str, most: int
) -> Brief:
    ways = (both[0].train, both[1].train)
    tried = [one for one in comparable(there, both[0]) if one.finished and not one.curve and one.train in ways]
    base, other, fresh = _repeats(workspace, project, both, split or "dev")
    if not split:
        split = "dev"
        on_test = _repeats(workspace, project, both, "test")
        if min(len(evaluated(workspace, group, "test")) for group in on_test[:2]) >= ENOUGH_SEEDS:
            split, (base, other, fresh) = "test", on_test
    before, after = (counts_of(workspace, group, split) for group in (base, other))
    comparison = compare(measure(before), measure(after))
    grown = (base.id, other.id) in sequential_pairs(workspace, project.slug)
    beside = [] if fresh else _beside(workspace, there, both, split)
    others = {one.id: compare(measure(before), measure(counts_of(workspace, one, split))) for one in beside}
    found = findings({other.id: comparison, **others}, sequential=grown)[other.id]
    titles = contrast.titles([*there])
    known = sources(workspace, project, other, base)
    changed = ledger(before, after)
    return Brief(
        project=project,
        split=split,
        mix=other,
        baseline=base,
        titles=(titles[other.id], titles[base.id]),
        rows=known.gold_rows,
        added=known.added,
        finding=found,
        readings=_readings(workspace, (base, other), split, comparison, found, (before, after)),
        examples=_examples(workspace, base, other, split, changed, most),
        turned=(
            sum(one.after - one.before >= _CLEAR for one in changed),
            sum(one.before - one.after >= _CLEAR for one in changed),
        ),
        rivals=_rivals(workspace, project, other, split),
        fresh=fresh,
        looks=len(contrast.looks(workspace, project.slug)),
        cost=(cost(workspace, other, other.finished), cost(workspace, base, base.finished)),
        seconds=sum(run.seconds or 0.0 for group in there for run in group.runs.values()),
        worth=_worth(workspace, project, both, split),
        candidates=[_candidate(titles, one) for one in (both[0], *tried)],
        sources=known,
        data=split_of(workspace, other, split),
        gold=known.gold_labels,
        unlike=base.train != other.train,
    )


def _beside(workspace: Workspace, there: Sequence[Group], both: tuple[Group, Group], split: str) -> list[Group]:
    """The mixes that are judged with it, as Compare judges them: whoever looks at many finds something in one."""
    base, mix = both
    plain = (one for one in comparable(there, base) if not one.marks and one.id != mix.id)
    return [one for one in plain if evaluated(workspace, one, split)]


def _repeats(
    workspace: Workspace, project: Project, both: tuple[Group, Group], split: str
) -> tuple[Group, Group, bool]:
    """The two with their fresh repeats alone, where the mix has enough of them; the baseline, which nobody chose, with
    its fresh ones where it has some."""
    base, other = (fresh_only(workspace, project.slug, group) for group in both)
    if len(evaluated(workspace, other, split)) < ENOUGH_SEEDS:
        return *both, False
    enough = len(evaluated(workspace, base, split)) >= ENOUGH_SEEDS
    return base if enough else both[0], other, True


def _readings(
    workspace: Workspace,
    both: tuple[Group, Group],
    split: str,
    comparison: Comparison,
    found: Finding,
    counts: tuple[Sequence[Counts], Sequence[Counts]],
) -> list[Reading]:
    names = [one.label for one in comparison.labels]
    shares = hundreds(workspace, *both, split, names)
    wrong = [_wrong(of_group) for of_group in counts]
    return [
        Reading(
            one.label,
            shares[one.label],
            (one.baseline["precision"], one.other["precision"]),
            (float(wrong[0][at]), float(wrong[1][at])),
            {judged.metric: judged for judged in found.judged if judged.label == one.label},
        )
        for at, one in enumerate(comparison.all)
        if one.label in shares
    ]


def _wrong(group: Sequence[Counts]) -> np.ndarray:
    """Wrong marks for every hundred mentions of gold: all labels together, then each; a mean over repeats."""
    each = np.mean([(counts.pred - counts.tp).sum(axis=0) for counts in group], axis=0)
    gold = group[0].gold.sum(axis=0)
    return WHOLE * np.append(each.sum(), each) / np.maximum(1, np.append(gold.sum(), gold))


def _rivals(workspace: Workspace, project: Project, mix: Group, split: str) -> list[Rival]:
    """The baselines of the search that confirmed a mix last, but gold only; as far as there are enough repeats."""
    asked = next((one for one in confirmations(workspace, project.slug) if one.group == mix.id), None)
    try:
        found = held(workspace, project.slug, asked, None, split) if asked else {}
    except CoreError:  # of a mix that was deleted
        return []
    return [
        Rival(name, one.name, one.verdict)
        for name, one in found.items()
        if name != "gold" and one.verdict is not None and one.verdict != "few_repeats"
    ]


def _examples(
    workspace: Workspace, base: Group, other: Group, split: str, entries: Sequence[Entry], most: int
) -> list[Example]:
    """Rows that changed much, one of them for the worse where there is one; those that are read at a glance first."""
    data = split_of(workspace, other, split)
    lengths = task_of(data.schema.task).lengths(data.table)
    clear = [entry for entry in entries if abs(entry.after - entry.before) >= _CLEAR] or [*entries]
    clear.sort(key=lambda entry: (-round(abs(entry.after - entry.before), 1), abs(int(lengths[entry.row]) - _WORDS)))
    better, worse = ([one for one in clear if one.change == change] for change in ("fixed", "broken"))
    told = [*better[: max(0, most - 1)], *worse[: min(1, most)]]
    return [_example(workspace, (base, other), split, data, entry) for entry in told]


def _example(workspace: Workspace, both: tuple[Group, Group], split: str, data: Corpus, entry: Entry) -> Example:
    at = np.array([entry.row])
    rows: list[browse.Row] = []
    for group, place in zip(both, entry.shown, strict=True):
        run = evaluated(workspace, group, split)[place]
        marked = predicted(workspace, run, data.id)[entry.row].as_py()
        rows += browse.page(data, at, 0, 1, {entry.row: marked})
    [gold] = browse.page(data, at, 0, 1)
    return Example(entry.change, gold, rows[0], rows[1], (entry.before, entry.after))


def _worth(workspace: Workspace, project: Project, both: tuple[Group, Group], split: str) -> tuple[Worth, str] | None:
    """What the mix is worth in gold rows, and on which split that was measured: dev, where the points of gold's
    learning curve were not looked at on test. None where it was not drawn on that ground."""
    base, other = both
    for place in dict.fromkeys((split, "dev")):
        curve = curve_of(workspace, project.slug, base, place)
        if curve is None or not curve.enough or not worth_candidates(workspace, curve, [other], place):
            continue
        line = learning_curve(points_of(workspace, curve, place))
        return judged(line, resampled(workspace, other, place)), place
    return None


def _candidate(titles: Mapping[str, str], group: Group) -> Candidate:
    scores = [run.score for run in group.runs.values() if run.state == "succeeded" and run.score is not None]
    mean = sum(scores) / len(scores) if scores else None
    return Candidate(titles[group.id], len(group.finished), mean, bool(group.tune))
