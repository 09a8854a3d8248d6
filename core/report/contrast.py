"""Mixes against a baseline as rows of a figure, of a table and of a spreadsheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.evaluation.comparison import Comparison, Difference, LabelComparison
from core.report.figures import AMBER, PALETTE, ForestRow, colour_of
from core.report.finding import ENOUGH_SEEDS, Metric
from core.report.tables import Cell, spreadsheet_csv
from core.scores import FEW, Interval, Scores

Rate = tuple[float | None, Interval | None]
METRICS: tuple[Metric, ...] = ("recall", "precision", "f1")


@dataclass(frozen=True)
class Line:
    """One label in one mix: rates (0..1), and differences to the baseline, empty for the baseline itself.

    `label`: "" stands for all labels together.
    """

    label: str
    mix: str
    support: int
    rate: Mapping[Metric, Rate]
    difference: Mapping[Metric, Difference | None]

    repeats: int = ENOUGH_SEEDS  # the fewer of the two groups

    @property
    def few(self) -> bool:
        return self.support < FEW


def lines(baseline: tuple[str, Scores], others: Mapping[str, tuple[Scores, Comparison]]) -> list[Line]:
    """A line for each label and mix: all labels together first, and the baseline first in each label."""
    title, scores = baseline
    out: list[Line] = []
    for label in ("", *scores.per_label):
        out.append(_line(label, title, scores, {}))
        for mix, (found, comparison) in others.items():
            row = _row(comparison, label)
            least = min(comparison.baseline_seeds, comparison.other_seeds)
            found_line = _line(label, mix, found, {metric: row.difference[metric] for metric in METRICS})
            out.append(replace(found_line, repeats=least))
    return out


def _line(label: str, mix: str, scores: Scores, difference: Mapping[Metric, Difference | None]) -> Line:
    if not label:
        together = [(scores.metrics[metric].mean, scores.metrics[metric].interval) for metric in METRICS]
        return Line(label, mix, scores.support, dict(zip(METRICS, together, strict=True)), difference)
    found = scores.per_label[label]
    values = {"recall": found.recall, "precision": found.precision, "f1": found.f1}
    return Line(label, mix, found.support, {m: (values[m], found.interval[m]) for m in METRICS}, difference)


def _row(comparison: Comparison, label: str) -> LabelComparison:
    return next(row for row in (comparison.overall, *comparison.labels) if row.label == label)


def forest_rows(
    found: Mapping[str, Comparison], metric: Metric, colours: Mapping[str, str], all_labels: str
) -> list[ForestRow]:
    """The differences of one metric, label by label in the order of the counts, all labels together first.

    Faint: too few mentions or repeats to judge. With several mixes each label is a heading with the mixes below it.
    `all_labels`: what to call them together.
    """
    labels = ["", *(row.label for row in next(iter(found.values())).labels)] if found else []
    rows: list[ForestRow] = []
    for label in labels:
        named = label or all_labels
        if len(found) > 1:
            support = _row(next(iter(found.values())), label).support
            rows.append(ForestRow(named, None, None, support, support < FEW, "", heading=True))
        for mix, comparison in found.items():
            row = _row(comparison, label)
            gap = row.difference[metric]
            value, interval = (None, None) if gap is None else (gap.value, gap.interval)
            shown = mix if len(found) > 1 else named
            faint = row.support < FEW or min(comparison.baseline_seeds, comparison.other_seeds) < ENOUGH_SEEDS
            rows.append(ForestRow(shown, value, interval, row.support, faint, colours[mix]))
    return rows


def rates(found: Sequence[Line], metric: Metric, all_labels: str) -> tuple[Mapping[str, Mapping[str, Rate]], list[str]]:
    """What core.report.figures.bars takes. -> rates by mix and label, the labels in order"""
    out: dict[str, dict[str, Rate]] = {}
    for line in found:
        out.setdefault(line.mix, {})[line.label or all_labels] = line.rate[metric]
    return out, list(dict.fromkeys(line.label or all_labels for line in found))


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


def spreadsheet(found: Sequence[Line], words: Mapping[str, str]) -> bytes:
    """All lines as a CSV file, shares as 0..1.

    `words`: names of the columns: label, mix, support, the metrics, difference, low, high; and of all labels together
    under all_labels.
    """
    heads = [words["label"], words["mix"], words["support"]]
    for metric in METRICS:
        name = words[metric]
        heads += [name, f"{name}: {words['low']}", f"{name}: {words['high']}"]
        heads += [f"{name}: {words[word]}" for word in ("difference", "difference_low", "difference_high")]
    return spreadsheet_csv(heads, (_cells(line, words["all_labels"]) for line in found))


def _cells(line: Line, all_labels: str) -> list[Cell]:
    cells: list[Cell] = [line.label or all_labels, line.mix, line.support]
    for metric in METRICS:
        value, interval = line.rate[metric]
        gap = line.difference.get(metric)
        cells += [_rounded(value), *_ends(interval)]
        cells += [_rounded(gap.value), *_ends(gap.interval)] if gap else [None, None, None]
    return cells


def _ends(interval: Interval | None) -> list[Cell]:
    return [None, None] if interval is None else [_rounded(end) for end in interval]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
