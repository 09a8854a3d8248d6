"""What a comparison of mixes says, as data; a page puts it into words."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.evaluation.comparison import Comparison
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Judged, judge
from core.scores import FEW

_ORDER = ("f1", "recall", "precision")


@dataclass(frozen=True)
class Finding:
    """What is known of the mix `name` against the baseline.

    `judged`: every difference that was looked at, F1 of all labels first; `too_few`: labels with support below FEW;
    `repeats`: of the baseline and of the mix: where one has fewer than ENOUGH_SEEDS nothing is judged; `sequential`:
    by the always-valid rule.
    """

    name: str
    judged: tuple[Judged, ...]
    too_few: tuple[str, ...]
    repeats: tuple[int, int]
    margin: float = MARGIN
    sequential: bool = False

    @property
    def seeds(self) -> int:
        """Repeats of the smaller group."""
        return min(self.repeats)

    @property
    def enough(self) -> bool:
        return self.seeds >= ENOUGH_SEEDS

    @property
    def overall(self) -> Judged | None:
        """F1 of all labels together; None where there is no mention at all."""
        return next((one for one in self.judged if one.metric == "f1"), None)

    @property
    def gains(self) -> tuple[Judged, ...]:
        """What is better in single labels, the largest first."""
        return self._effects("better")

    @property
    def losses(self) -> tuple[Judged, ...]:
        """What is worse in single labels, the largest first."""
        return self._effects("worse")

    @property
    def none_shown(self) -> tuple[str, ...]:
        """Labels of which neither recall nor precision is shown to differ, in the order of the counts."""
        return tuple(label for label, found in self._by_label().items() if not {"better", "worse"} & found)

    @property
    def same(self) -> tuple[str, ...]:
        """Those of `none_shown` whose recall and precision are both shown to be the same within the margin."""
        return tuple(label for label, found in self._by_label().items() if found == {"same"})

    @property
    def harms(self) -> bool:
        """Whether the mix is worse over all labels, or loses somewhere and gains nowhere."""
        overall = self.overall
        worse, better = (overall is not None and overall.verdict == word for word in ("worse", "better"))
        return worse or bool(self.losses and not self.gains and not better)

    @property
    def helps(self) -> bool:
        """Whether the mix is better over all labels, or gains somewhere without being worse over all."""
        better = self.overall is not None and self.overall.verdict == "better"
        return better or bool(self.gains and not self.harms)

    def _effects(self, verdict: str) -> tuple[Judged, ...]:
        found = [one for one in self.judged if one.label and one.verdict == verdict]
        return tuple(sorted(found, key=lambda one: (-abs(one.difference.value), _ORDER.index(one.metric))))

    def _by_label(self) -> Mapping[str, set[str]]:
        """The verdicts on each label that was judged."""
        out: dict[str, set[str]] = {}
        for one in self.judged:
            if one.label and one.p is not None:
                out.setdefault(one.label, set()).add(one.verdict)
        return out


def findings(
    comparisons: Mapping[str, Comparison], margin: float = MARGIN, sequential: bool = False
) -> Mapping[str, Finding]:
    """What several mixes do against one baseline, by mix; all of it judged together (core.evaluation.verdicts)."""
    judged = judge(comparisons, margin, sequential)
    return {
        name: Finding(
            name,
            judged[name],
            tuple(label.label for label in found.labels if label.support < FEW),
            (found.baseline_seeds, found.other_seeds),
            margin,
            sequential,
        )
        for name, found in comparisons.items()
    }
