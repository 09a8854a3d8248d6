"""What a comparison allows to be said: better, worse, the same within a margin, or that it can't be told yet.

All claims of one look hold together: with many labels and mixes, a wrong one among them is made in at most 5 of 100
cases. Holm's step-down procedure with weights (Holm 1979, section 4): most of the weight is shared by the mixes' F1
over all labels, which is the question that is asked first; the rest by recall and precision of all labels and of each
one, which inherit what is left as soon as a claim is made. That one difference can't be both zero and as large as the
margin is why claims of "the same" are corrected by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.evaluation.comparison import LEVEL, Comparison, Difference, LabelComparison
from core.evaluation.sequential import AlwaysValid, always_valid
from core.scores import FEW, Interval

ENOUGH_SEEDS = 5  # in each group; with fewer, seeds hide a difference of four points of recall more often than not
ADVISED_SEEDS = 8  # with which it is found in four of five cases
MARGIN = 0.02  # differences below which two mixes are the same to most people
_ROUNDING = 1e-9
_FIRST = 0.8  # of what may go wrong belongs to the question that is asked first

Metric = Literal["precision", "recall", "f1"]
Verdict = Literal["better", "worse", "same", "open", "few_mentions", "few_repeats"]
HEADLINE: Metric = "f1"  # of all labels together
METRICS_OF_A_LABEL: tuple[Metric, ...] = ("recall", "precision")  # F1 repeats what these two say


@dataclass(frozen=True)
class Judged:
    """One difference and what may be said of it.

    `label`: "" for all labels together; `support`: its mentions; `p`: corrected for all that are judged with it, of
    the claim that is made or, where none is, of a difference; None where nothing is judged; `interval`: 95 %, for this
    difference alone.
    """

    label: str
    metric: Metric
    support: int
    difference: Difference
    interval: Interval | None
    verdict: Verdict
    p: float | None

    @property
    def small(self) -> bool:
        """Whether all of the interval lies within the margin by default: better or worse, but by little."""
        return self.interval is not None and max(abs(end) for end in self.interval) <= MARGIN

    @property
    def alone(self) -> bool:
        """Whether the interval leaves out zero and yet nothing is shown, for so much is judged with it."""
        return self.verdict == "open" and self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def judge(
    comparisons: Mapping[str, Comparison], margin: float = MARGIN, sequential: bool = False
) -> Mapping[str, tuple[Judged, ...]]:
    """Every difference of several mixes from one baseline, judged together. -> by mix; F1 of all labels first

    `sequential`: repeats were added until something was seen, so intervals and claims follow the always-valid rule.
    Labels without support are left out.
    """
    drafts = {name: _drafts(comparison, sequential) for name, comparison in comparisons.items()}
    judged = [(name, at) for name, found in drafts.items() for at, one in enumerate(found) if one.verdict == "open"]
    weights = _weights([drafts[name][at] for name, at in judged])
    tests = [_test(drafts[name][at], comparisons[name], sequential) for name, at in judged]
    other = holm([test.p for test in tests], weights)
    same = holm([test.p_same(margin) for test in tests], weights)
    out = {name: list(found) for name, found in drafts.items()}
    for (name, at), differs, equals in zip(judged, other, same, strict=True):
        draft = out[name][at]
        verdict, p = _verdict(draft.difference.value, differs, equals)
        out[name][at] = Judged(draft.label, draft.metric, draft.support, draft.difference, draft.interval, verdict, p)
    return {name: tuple(found) for name, found in out.items()}


def holm(p: Sequence[float], weights: Sequence[float]) -> list[float]:
    """p-values corrected by weighted Holm: claims at 5 % are wrong somewhere in at most 5 of 100 cases.

    `weights`: positive, one each.
    """
    order = sorted(range(len(p)), key=lambda at: p[at] / weights[at])
    left, highest = sum(weights), 0.0
    out = [1.0] * len(p)
    for at in order:
        highest = max(highest, min(1.0, p[at] / weights[at] * left))
        out[at] = highest
        left -= weights[at]
    return out


def _drafts(comparison: Comparison, sequential: bool) -> list[Judged]:
    """What is to be judged of one mix: the F1 of all labels, then recall and precision of all and of each label."""
    asked: list[tuple[LabelComparison, Metric]] = [(comparison.overall, HEADLINE)]
    asked.extend((label, metric) for label in comparison.all for metric in METRICS_OF_A_LABEL)
    out: list[Judged] = []
    for label, metric in asked:
        difference = label.difference[metric]
        if difference is None:
            continue
        few: Verdict = "few_mentions" if label.support < FEW else "open"
        verdict: Verdict = "few_repeats" if comparison.seeds < ENOUGH_SEEDS else few
        shown = always_valid(comparison, difference).interval if sequential else difference.interval
        interval = shown if comparison.seeds >= ENOUGH_SEEDS else None
        out.append(Judged(label.label, metric, label.support, difference, interval, verdict, None))
    return out


def _weights(judged: Sequence[Judged]) -> list[float]:
    first = sum(one.metric == HEADLINE for one in judged)
    return [_FIRST / first if one.metric == HEADLINE else (1 - _FIRST) / (len(judged) - first) for one in judged]


def _test(draft: Judged, comparison: Comparison, sequential: bool) -> Difference | AlwaysValid:
    return always_valid(comparison, draft.difference) if sequential else draft.difference


def _verdict(value: float, differs: float, equals: float) -> tuple[Verdict, float]:
    if differs <= LEVEL and abs(value) > _ROUNDING:
        return ("better" if value > 0 else "worse"), differs
    return ("same", equals) if equals <= LEVEL else ("open", differs)
