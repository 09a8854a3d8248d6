"""Mixes against a baseline as rows of a figure, of a table and of a spreadsheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.evaluation.comparison import Comparison, Difference, Measured, level
from core.evaluation.verdicts import Judged, Metric, Verdict
from core.report.figures import AMBER, PALETTE, colour_of
from core.report.finding import Finding
from core.report.tables import Cell, spreadsheet_csv
from core.scores import FEW, Interval

Rate = tuple[float | None, Interval | None]
METRICS: tuple[Metric, ...] = ("f1", "recall", "precision")


@dataclass(frozen=True)
class Line:
    """One label in one mix: rates (0..1), and differences to the baseline, empty for the baseline itself.

    `label`: "" stands for all labels together; `judged`: the differences of which something may be said.
    """

    label: str
    mix: str
    support: int
    rate: Mapping[Metric, Rate]
    difference: Mapping[Metric, Difference | None]
    judged: Mapping[Metric, Judged]

    @property
    def few(self) -> bool:
        return self.support < FEW


def lines(baseline: tuple[str, Measured], others: Mapping[str, tuple[Measured, Comparison, Finding]]) -> list[Line]:
    """A line for each label and mix: all labels together first, and the baseline first in each label."""
    title, base = baseline
    levels = {title: _levels(base)} | {mix: _levels(measured) for mix, (measured, _, _) in others.items()}
    out: list[Line] = []
    for column, label in enumerate(("", *base.names)):
        support = int(base.gold[:, column - 1].sum() if column else base.gold.sum())
        out.append(Line(label, title, support, _rates(levels[title], column, support), {}, {}))
        for mix, (_, comparison, finding) in others.items():
            difference: dict[Metric, Difference | None] = {m: comparison.all[column].difference[m] for m in METRICS}
            judged: dict[Metric, Judged] = {one.metric: one for one in finding.judged if one.label == label}
            out.append(Line(label, mix, support, _rates(levels[mix], column, support), difference, judged))
    return out


Levels = Mapping[Metric, Sequence[tuple[float, Interval]]]  # by column


def _levels(group: Measured) -> Levels:
    return {metric: level(group, metric) for metric in METRICS}


def _rates(found: Levels, column: int, support: int) -> Mapping[Metric, Rate]:
    return {metric: found[metric][column] if support else (None, None) for metric in METRICS}


def colours(added: Mapping[str, Sequence[str]], ingredients: Sequence[str]) -> dict[str, str]:
    """A colour for each mix. `added`: what joins gold in it, by mix.

    Gold alone has gold's, a mix of one ingredient has the ingredient's; what is left is shared out in order.
    """
    out: dict[str, str] = {}
    for mix, names in added.items():
        own = AMBER if not names else colour_of(names[0], ingredients) if names[0] in ingredients else None
        if len(names) <= 1 and own and own not in out.values():
            out[mix] = own
    for at, mix in enumerate(name for name in added if name not in out):
        free = [colour for colour in PALETTE if colour not in out.values()]
        out[mix] = free[0] if free else PALETTE[at % len(PALETTE)]
    return {mix: out[mix] for mix in added}


def spreadsheet(found: Sequence[Line], words: Mapping[str, str], verdicts: Mapping[Verdict, str]) -> bytes:
    """All lines as a CSV file, shares as 0..1.

    `words`: names of the columns: label, mix, support, the metrics, low, high, difference, difference_low,
    difference_high, verdict; and of all labels together under all_labels. `verdicts`: their words.
    """
    heads = [words["label"], words["mix"], words["support"]]
    for metric in METRICS:
        name = words[metric]
        parts = ("low", "high", "difference", "difference_low", "difference_high", "verdict")
        heads += [name, *(f"{name}: {words[part]}" for part in parts)]
    return spreadsheet_csv(heads, (_cells(line, words["all_labels"], verdicts) for line in found))


def _cells(line: Line, all_labels: str, verdicts: Mapping[Verdict, str]) -> list[Cell]:
    cells: list[Cell] = [line.label or all_labels, line.mix, line.support]
    for metric in METRICS:
        value, interval = line.rate[metric]
        gap, judged = line.difference.get(metric), line.judged.get(metric)
        cells += [_rounded(value), *_ends(interval), _rounded(gap.value) if gap else None]
        cells += [*_ends(judged.interval), verdicts[judged.verdict]] if judged else [None, None, None]
    return cells


def _ends(interval: Interval | None) -> list[Cell]:
    return [None, None] if interval is None else [_rounded(end) for end in interval]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
