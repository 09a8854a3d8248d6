"""What a report says, gathered: one mix against one baseline, for somebody who has to decide and never saw a slider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.brief.hundred import Hundred
from core.brief.sources import Sources
from core.corpus import Corpus
from core.cost import Cost
from core.evaluation.verdicts import Judged, Metric, Verdict
from core.evaluation.worth import Worth
from core.groups import Group
from core.mix_found import Baseline
from core.project import Project
from core.report import browse
from core.report.finding import Finding
from core.report.ledger import Change
from core.scores import FEW

Advice = Literal["use", "use_for", "same", "worse", "unclear", "few"]
Sure = Literal["confident", "rather", "sign", "not"]


@dataclass(frozen=True)
class Reading:
    """One label, "" for all: what a hundred mentions come to; of what is marked how much is right, 0..1; and how many
    marks are wrong for every hundred mentions. `right`, `wrong`: before, now."""

    label: str
    hundred: Hundred
    right: tuple[float | None, float | None]
    wrong: tuple[float, float]
    judged: Mapping[Metric, Judged]

    @property
    def few(self) -> bool:
        return self.hundred.support < FEW


@dataclass(frozen=True)
class Example:
    """A row that changed. `gold`, `before`, `now`: as it is, and as a repeat that shows the change marked it;
    `shares`: of repeats that are exactly right about it, before and now."""

    change: Change
    gold: browse.Row
    before: browse.Row
    now: browse.Row
    shares: tuple[float, float]


@dataclass(frozen=True)
class Candidate:
    """A mix that was tried. `score`: mean headline on dev, 0..1; `trial`: by a search alone."""

    title: str
    repeats: int
    score: float | None
    trial: bool


@dataclass(frozen=True)
class Rival:
    """What one would have mixed without a search, as the mix stands against it in F1 over all labels."""

    name: Baseline
    title: str
    verdict: Verdict


@dataclass(frozen=True)
class Brief:
    """All that a report says. `rows`: of gold; `added`: rows that join it, by ingredient; `turned`: rows that most
    repeats changed their mind about, for better and for worse; `fresh`: the mix's repeats are of seeds that it was not
    chosen by; `looks`: at test in this project; `seconds`: of all trainings together."""

    project: Project
    split: str
    mix: Group
    baseline: Group
    titles: tuple[str, str]  # of mix and baseline
    rows: int
    added: Mapping[str, int]
    finding: Finding
    readings: Sequence[Reading]
    examples: Sequence[Example]
    turned: tuple[int, int]
    rivals: Sequence[Rival]
    fresh: bool
    looks: int
    cost: tuple[Cost, Cost]  # of the mix, of the baseline
    seconds: float
    worth: tuple[Worth, str] | None  # and the split that it was measured on
    candidates: Sequence[Candidate]
    sources: Sources
    data: Corpus  # the rows that were tested on
    gold: Mapping[str, int]  # mentions in gold train, by label
    unlike: bool  # trained by other settings than the baseline

    @property
    def overall(self) -> Judged | None:
        return self.finding.overall

    @property
    def whole(self) -> Reading:
        """All labels together."""
        return self.readings[0]

    @property
    def labels(self) -> list[Reading]:
        """Those with enough mentions to be judged, the most frequent first."""
        told = [one for one in self.readings[1:] if not one.few]
        return sorted(told, key=lambda one: (-one.hundred.support, one.label))

    @property
    def advice(self) -> Advice:
        """What to do. Of what helps one label and is shown to hurt another it can't be said for all."""
        if not self.finding.enough:
            return "few"
        verdict = None if self.overall is None else self.overall.verdict
        if verdict == "better":
            return "use"
        if verdict == "worse" or self.finding.harms:
            return "worse"
        if self.finding.gains and not self.finding.losses:
            return "use_for"
        return "same" if verdict == "same" else "unclear"

    @property
    def stays(self) -> bool:
        """Whether the advice is to keep the baseline."""
        return self.advice not in ("use", "use_for")

    def chosen(self, one: Reading) -> int:
        """Of a hundred, how many are found if one does as advised."""
        before, now, _ = counted(one)
        return before if self.stays else now

    @property
    def sure(self) -> Sure:
        """How far to rely on that: on rows that nobody chose by and fresh seeds, on one of both, or on neither."""
        if self.advice in ("few", "unclear"):
            return "not"
        chosen = self.fresh or len(self.candidates) <= 2  # nothing else that it was the best of
        return {2: "confident", 1: "rather", 0: "sign"}[int(chosen) + int(self.split == "test")]  # pyright: ignore[reportReturnType]

    @property
    def weakest(self) -> Reading | None:
        """The label of which least is found if one does as advised, of those with enough mentions."""
        return min(self.labels, key=self.chosen, default=None)


def counted(one: Reading) -> tuple[int, int, int]:
    """Of a hundred: found before, found now, lost, as the icons have it."""
    kept, gained, lost, _ = one.hundred.whole
    return kept + lost, kept + gained, lost
