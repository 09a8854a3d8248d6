"""Groups of runs mention by mention: what was taken for what, and counts on parts of a split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.comparison import Comparison, compare, measure
from core.evaluation.slices import SLICES, Background, sliced
from core.formats.importing import used_labels
from core.groups import Group, evaluated, split_of
from core.jobs.folder import read_object
from core.mix import GOLD
from core.runs import POOL
from core.scores import Counts
from core.tasks import task as task_of
from core.tasks.pairs import Matches, Surfaces
from core.training import predictions
from core.workspace import Workspace

_OF_TRAIN = ("seen", "frequency")  # slices that ask what stands in gold train


@dataclass(frozen=True)
class Matched:
    """A group on a split, one entry for each evaluated run: mentions in pairs, and the words of both sides."""

    pairs: tuple[Matches, ...]
    sides: tuple[tuple[Surfaces, Surfaces], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that occur in the split, sorted."""
        return self.pairs[0].names


@dataclass(frozen=True)
class Ground:
    """What the mentions of a split are told apart by. `slices`: names of SLICES for which all that they ask is kept."""

    background: Background
    slices: tuple[str, ...]


def matched(workspace: Workspace, group: Group, split: str) -> Matched:
    """Every evaluated run held against gold. Raises CoreError `nothing_evaluated`."""
    runs = evaluated(workspace, group, split)
    if not runs:
        raise CoreError("nothing_evaluated", {"name": group.name, "split": split})
    data = split_of(workspace, group, split)
    names = tuple(sorted(used_labels(data)))
    task = task_of(data.schema.task)
    kept = (predictions.column(predictions.file_of(workspace.run_folder(run), data.id)) for run in runs)
    pairs = tuple(task.pairs(data.table, found, names) for found in kept)
    return Matched(pairs, tuple(task.surfaces(one, data.table) for one in pairs))


def ingredients_of(workspace: Workspace, groups: Sequence[Group]) -> dict[str, str]:
    """Corpus ids of gold train and of every ingredient that one of the groups draws from, by name.

    Where groups have other sentences under one name, those of the first count.
    """
    found: dict[str, str] = {}
    for group in groups:
        run = next(iter(group.finished), "")
        spec = read_object(workspace.run_folder(run) / "spec.json") or {}
        for role, value in sorted(spec.get("inputs", {}).items()):
            if role == GOLD or role.startswith(POOL):
                found.setdefault(role.removeprefix(POOL), value.removeprefix("corpus:"))
    return found


def ground(workspace: Workspace, data: Corpus, ingredients: Mapping[str, str]) -> Ground:
    """What the mentions of a split are told apart by.

    `ingredients`: of `ingredients_of`; those whose sentences were not kept are left out.
    """
    task = task_of(data.schema.task)
    known: dict[str, dict[str, int]] = {}
    for name, corpus_id in ingredients.items():
        path = workspace.corpus_path(corpus_id)
        if path.exists():
            corpus = corpora.read(path)
            known[name] = Counter(task.mentions(corpus.table, corpus.schema.labels)[2])
    left = () if GOLD in known else _OF_TRAIN
    slices = (name for name in SLICES if name in task.slices and name not in left)
    slices = tuple(name for name in slices if known or name != "ingredient")
    texts = task.texts(data.table, blanks=True).to_pylist()
    return Ground(Background(task.lengths(data.table), known.get(GOLD, {}), known, texts), slices)


def counts_on(found: Matched, background: Background, slice: str) -> dict[str, list[Counts]]:
    """Counts of every run in each part of a slice; KeyError for a slice that isn't in SLICES."""
    runs = [sliced(slice, gold, predicted, background, found.names) for gold, predicted in found.sides]
    return {part: [run[part] for run in runs] for part in runs[0]}


def compared_on(
    baseline: Matched, other: Matched, background: Background, slice: str, text: str = ""
) -> dict[str, Comparison]:
    """How two groups differ in each part of a slice. `text`: that rows are told apart by in the slice "text"."""
    asked = replace(background, wanted=text)
    left, right = (counts_on(group, asked, slice) for group in (baseline, other))
    return {part: compare(measure(left[part]), measure(right[part])) for part in left}
