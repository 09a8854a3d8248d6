"""What comes of a search for a mix: the mix it found, how scores go with amounts, what ingredients are worth, and what
one would have mixed without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from core.errors import CoreError
from core.evaluation.verdicts import Metric
from core.jobs.folder import read_object
from core.mix import Mix
from core.mix_search import Frame
from core.mix_trials import EACH, Begun, Step, Survey, begun, steps, survey
from core.project import Project, edit, load, with_ingredient
from core.runs import RunSpec
from core.search.attribution import MOST, Attribution, attribute
from core.search.designs import STEP
from core.search.response import Rates, Response
from core.search.surrogate import Surrogate, averaged, fit
from core.workspace import Workspace

Baseline = Literal["gold", "everything", "single", "even"]
BASELINES: tuple[Baseline, ...] = ("gold", "everything", "single", "even")


@dataclass(frozen=True)
class Found:
    """A search with all that is known by now. `result`: of its run, empty while there is none."""

    workspace: Workspace
    project: str
    frame: Frame
    begun: Begun
    steps: Sequence[Step]
    now: Survey
    result: Mapping[str, Any]

    @cached_property
    def best(self) -> int | None:
        """The position among the surveyed mixes of the one it found, or of the best so far."""
        group = self.result.get("group")
        return next((at for at, one in enumerate(self.now.mixes) if one.group == group), self.now.best)

    @property
    def row(self) -> np.ndarray:
        """The amounts of the best mix; none where nothing has finished. *Shape:* (ingredients,)."""
        return np.zeros(len(self.names)) if self.best is None else self.now.rows[self.best]

    @property
    def names(self) -> list[str]:
        return self.now.ground.names

    @property
    def amounts(self) -> dict[str, float]:
        """Of the best mix, as it was asked for."""
        return {} if self.best is None else self.frame.amounts(self.now.mixes[self.best])

    @property
    def mix(self) -> Mix:
        return self.frame.mix(self.amounts)

    @property
    def nothing(self) -> bool:
        """Whether nothing did better than gold only."""
        return not self.row.any()

    @property
    def meets(self) -> bool:
        """Whether the best mix rather meets the condition; True without one."""
        return bool(self.now.judge.allowed(self.row[None])[0] >= 0.5)

    @cached_property
    def lead(self) -> tuple[float, float]:
        """What is expected of the best mix beyond gold only, and its sd: flattered, and before any price."""
        mean, among = self.now.process.joint(np.stack([self.row, np.zeros_like(self.row)]))
        apart = among[0, 0] + among[1, 1] - 2 * among[0, 1]
        return float(mean[0] - mean[1]), float(np.sqrt(max(apart, 0.0)))

    @property
    def objective(self) -> Response:
        """How what was searched for goes with amounts."""
        return Response(self.now.process, odds=False)

    @cached_property
    def spans(self) -> dict[str, tuple[float, float]]:
        """From where to where each amount can go, the others as in the best mix, without being shown to be worse; times
        gold. A variant takes the place of the one in the best mix there, and is left out where it can't."""
        found: dict[str, tuple[float, float]] = {}
        for at, (name, most) in enumerate(self.begun.search.limits.items()):
            span = self.objective.span(self.around(name), at, most, self.row)
            if span is not None:
                found[name] = span
        return found

    def around(self, *names: str) -> np.ndarray:
        """The amounts of the best mix without other variants of some ingredients. *Shape:* (ingredients,)."""
        row = self.row.copy()
        for name in names:
            row[self.begun.search.space.others(name)] = 0.0
        return row

    def instead(self, name: str) -> bool:
        """Whether an ingredient would take the place of another variant of it in the best mix."""
        return bool((self.around(name) != self.row).any())

    def response(self, label: str, metric: Metric) -> Response:
        """How a rate goes with amounts, from all runs there are."""
        right, of = self.now.found.cases(label, metric)
        prior = self.now.prior
        return Response.of(Rates(self.now.found.amounts, right, of), prior and prior.odds(label, metric))

    @property
    def even(self) -> np.ndarray:
        """The amounts of a mix with a little of each. *Shape:* (ingredients,)."""
        each = self.begun.search.each(EACH)
        return np.array([each.get(name, 0.0) for name in self.names])

    def attribution(self, label: str, metric: Metric, row: np.ndarray | None = None) -> Attribution | None:
        """What each ingredient of a mix, the best one where none is given, is worth; None where it has too many.
        *Shape:* (ingredients,)."""
        row = self.row if row is None else row
        if np.count_nonzero(row) > MOST:
            return None
        return attribute(self.rate(label, metric), row)

    def rate(self, label: str, metric: Metric) -> Surrogate:
        """What is expected of a rate itself, from all runs there are."""
        scores, prior = averaged(self.now.found.amounts, self.now.found.rates(label, metric)), self.now.prior
        return fit(scores.amounts, scores.values, scores.noise, cast=prior and prior.rates(label, metric))

    @property
    def band(self) -> float | None:
        """How many sds hold 9 in 10 of the mixes that were left out; None: too few mixes to say."""
        return self.now.process.stretch() if sum(self.now.done) else None


def found(workspace: Workspace, project: str, run: str) -> Found | None:
    """A search by the id of its run; None where it has not begun, or its run was deleted."""
    spec, there = read_object(workspace.run_folder(run) / "spec.json"), begun(workspace, project, run)
    if spec is None or there is None:
        return None
    frame = Frame.of(workspace, RunSpec.from_json(spec))
    now = survey(workspace, project, there.search, frame.ground, frame.prior)
    result = read_object(workspace.run_folder(run) / "result.json") or {}
    return Found(workspace, project, frame, there, steps(workspace, project, there), now, result)


def baselines(found: Found) -> dict[Baseline, dict[str, float]]:
    """What one would have mixed without a search, as far as it is another mix than the one found; amounts by name."""
    search = found.begun.search
    wanted: dict[Baseline, dict[str, float]] = {
        "gold": {},
        "everything": search.each(1.0),
        "single": _single(found),
        "even": search.each(EACH),
    }
    seen, kept = {found.frame.rows(found.amounts)}, dict[Baseline, dict[str, float]]()
    for name, amounts in wanted.items():
        rows = found.frame.rows(amounts)
        if rows not in seen:
            seen.add(rows)
            kept[name] = amounts
    return kept


def _single(found: Found) -> dict[str, float]:
    """The ingredient, and how much of it, of which most is expected alone."""
    limits = [*found.begun.search.limits.values()]
    places = [(at, amount) for at, most in enumerate(limits) for amount in np.arange(STEP, most + STEP / 2, STEP)]
    rows = np.zeros((len(places), len(limits)))
    rows[np.arange(len(places)), [at for at, _ in places]] = [amount for _, amount in places]
    return found.frame.named(rows[found.now.judge.order(rows)[0]].round(4))


def adopt(found: Found) -> list[str]:
    """Give the project the variants that are in the found mix, as ingredients. -> names of those that it did not have

    Raises CoreError `variant_taken` where something else has such a name by now.
    """
    there, new = load(found.workspace, found.project).ingredients, list[str]()
    for name in found.amounts:
        part = found.frame.recipe.ingredients[name]
        if name not in found.frame.params.variants or there.get(name) == part:
            continue
        if name in there:
            raise CoreError("variant_taken", {"name": name}, "hint_variant_taken")
        edit(found.workspace, found.project, with_ingredient(name, part), {"event": "ingredient", "name": name})
        new.append(name)
    return new


def use(found: Found) -> Mix:
    """Make the found mix the project's own. -> the one it had. Raises CoreError as `adopt` does."""
    adopt(found)
    had: list[Mix] = []

    def change(project: Project) -> Project:
        had.append(project.recipe.mix)
        return replace(project, recipe=replace(project.recipe, mix=found.mix))

    edit(found.workspace, found.project, change, {"event": "settings", "search": found.begun.run})
    return had[-1]
