"""What came of a sequence: each way of keeping, what it forgot, and at which share of replayed rows nothing is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.continual.chain import folder_of
from core.continual.keep import METHODS
from core.evaluation.comparison import compare, measure
from core.evaluation.scoring import Rates
from core.evaluation.sequence import Course, difference
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Verdict, holm
from core.formats.importing import used_labels
from core.scores import Counts
from core.sequences import Series, keep_of, read, runs_of
from core.settle import decide
from core.tasks import task as task_of
from core.training import predictions
from core.workspace import Workspace

PLAIN = "plain"


@dataclass(frozen=True)
class Forgotten:
    """An old label: F1 (0..1) right after its step and in the end, means over seeds."""

    step: int
    label: str
    support: int
    learned: float
    kept: float


@dataclass(frozen=True)
class Told:
    """What came of one way of keeping. `runs`: ids by seed; `verdict`: its average against plain fine-tuning's, None of
    that itself; `seconds`: of one run, the median; `replayed`: rows learned from again, in all steps."""

    method: str
    runs: Mapping[int, str]
    course: Course
    labels: tuple[Forgotten, ...]
    seconds: float
    replayed: int
    verdict: Verdict | None
    gain: float | None
    interval: tuple[float, float] | None

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.runs)


def outcome(workspace: Workspace, sequence: Series, split: str = "dev") -> list[Told]:
    """What came of each way of keeping whose runs are finished; in the order of METHODS. `split`: dev, or test where
    somebody looks."""
    runs = runs_of(workspace, sequence)
    done = {
        name: {seed: id for seed, id in sorted(ids.items()) if id in runs and runs[id].state == "succeeded"}
        for name, ids in sequence.runs.items()
    }
    found = {name: _Scored(workspace, sequence, split, ids) for name, ids in done.items() if ids}
    order = sorted(found, key=lambda name: ([*METHODS].index(name.partition("@")[0]), name))
    plain = found.get(PLAIN)
    judged = _judged(plain, {name: found[name] for name in order if name != PLAIN}) if plain else {}
    return [found[name].told(name, judged.get(name)) for name in order]


_Judged = tuple[Verdict, float, tuple[float, float] | None]


class _Scored:
    """The counts of a way's runs, by step."""

    def __init__(self, workspace: Workspace, sequence: Series, split: str, ids: Mapping[int, str]) -> None:
        self.workspace, self.sequence, self.split, self.ids = workspace, sequence, split, ids
        self.counts = [[self._counts(at, of) for of in self._steps()] for at in self._steps()]

    def _steps(self) -> range:
        return range(len(self.sequence.parts))

    def _counts(self, at: int, of: int) -> list[Counts]:
        """Of every run, on the rows of step `of` after step `at`; none where there is no such model."""
        corpus = self.sequence.parts[of].corpora[self.split]
        folders = [folder_of(self.workspace.run_folder(id), at) for id in self.ids.values()]
        files = [predictions.file_of(folder, corpus) for folder in folders]
        return [_count(self.workspace.corpus_path(corpus), file) for file in files if file.exists()]

    @property
    def course(self) -> Course:
        steps = len(self.sequence.parts)
        scores = np.full((len(self.ids), steps, steps), np.nan)
        for at, row in enumerate(self.counts):
            for of, found in enumerate(row):
                if found:
                    scores[:, at, of] = [_f1(one) for one in found]
        return Course(scores)

    def labels(self) -> Iterator[Forgotten]:
        """The labels of all steps but the last."""
        last = self._steps()[-1]
        for step in self._steps()[:-1]:
            own, end = self.counts[step][step], self.counts[last][step]
            for number, label in enumerate(end[0].names):
                values = [[_f1(one, number) for one in side] for side in (own, end)]
                learned, kept = (float(np.mean(side)) if side else float("nan") for side in values)
                yield Forgotten(step, label, int(end[0].gold[:, number].sum()), learned, kept)

    def told(self, name: str, judged: _Judged | None) -> Told:
        steps = [self.workspace.result(id)["steps"] for id in self.ids.values()]
        seconds = float(np.median([sum(step["seconds"] for step in one) for one in steps]))
        replayed = sum(step["replayed"] for step in steps[0])
        verdict, gain, ends = judged or (None, None, None)
        return Told(name, dict(self.ids), self.course, tuple(self.labels()), seconds, replayed, verdict, gain, ends)


def _judged(plain: _Scored, others: Mapping[str, _Scored]) -> dict[str, _Judged]:
    """Each way's average in the end against plain fine-tuning's: over seeds and rows, corrected for how many there
    are."""
    steps = len(plain.sequence.parts)
    found = {}
    for name, other in others.items():
        pairs = zip(plain.counts[-1], other.counts[-1], strict=True)
        parts = [compare(measure(mine), measure(its)).overall.difference["f1"] for mine, its in pairs]
        rows = sum(part.rows for part in parts if part is not None) / steps**2
        found[name] = difference(plain.course.average, other.course.average, rows)
    weights = [1.0] * len(found)
    differs = holm([one.p for one in found.values()], weights)
    equals = holm([one.p_same(MARGIN) for one in found.values()], weights)
    out: dict[str, _Judged] = {}
    for (name, one), p, same in zip(found.items(), differs, equals, strict=True):
        few = min(len(plain.ids), len(others[name].ids)) < ENOUGH_SEEDS
        out[name] = ("few_repeats" if few else decide(one.value, p, same)[0], one.value, one.interval)
    return out


@lru_cache(maxsize=4096)
def _count(path: Path, file: Path) -> Counts:
    """What a run's predictions come to; labels that a step's rows don't know count as none."""
    data = read(path)
    labels = tuple(sorted(used_labels(data)))
    return task_of(data.schema.task).counts(data.table, predictions.column(file), labels)


def _f1(counts: Counts, label: int | None = None) -> float:
    tp, pred, gold = (side if label is None else side[:, label] for side in (counts.tp, counts.pred, counts.gold))
    return float(Rates.of(tp.sum(), pred.sum(), gold.sum()).f1)


def enough(told: Sequence[Told], margin: float = MARGIN) -> Told | None:
    """Of those that replay and do nothing else, the one with the smallest share under which no more than a margin is
    forgotten, as far as can be told: with the upper end of the 95 % interval over seeds; None where there is none."""
    replaying = [one for one in told if _replays(one.method)]
    for one in sorted(replaying, key=lambda one: keep_of(one.method).replay):
        zero = np.zeros(len(one.seeds))
        ends = difference(zero, one.course.forgetting).interval
        if ends is not None and ends[1] <= margin:
            return one
    return None


def _replays(method: str) -> bool:
    return method.partition("@")[0] == "replay"
