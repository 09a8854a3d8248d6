"""What to label next: rows of text without labels that would help a weak label most, and what else would help it.

The rows are chosen in a run (core.forecast.choosing) by a finished forecast. What labelling so many rows brings is told
by gold's learning curve, of rows by chance; what the best trained mix brought without, by its comparison with gold
only. Nothing is told where neither was trained.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from core.contrast import by_dev, finished, gold_only
from core.corpus import Corpus
from core.cost import seconds_of
from core.errors import CoreError
from core.evaluation.comparison import Difference, compare, measure
from core.evaluation.scoring import interval
from core.evaluation.worth import Worth, learning_curve
from core.forecast.choosing import ChoosingParams
from core.forecasting import Prospect
from core.formats import WRITERS, write
from core.gold_curve import alike, curve_of, judged, points_of, resampled
from core.groups import Group, counts_of
from core.jobs.folder import Run
from core.mix import Mix
from core.params import canonical
from core.recipe import Recipe
from core.report.tables import spreadsheet_csv
from core.runs import RunSpec
from core.scores import FEW, Interval
from core.stage import Stage, root_of, unlabelled
from core.tasks import task as task_of
from core.workspace import Workspace

KIND = "label_next"
ROWS = 50
FORMATS = ("csv", "jsonl", "conll")  # of an export; the last of tagged rows alone


@dataclass(frozen=True)
class Chosen:
    """Rows in the order in which they are to be labelled. `positions`: in the pool; `gain`: 1 is a row by chance;
    `words`: the word of each that most of it comes from, "" where the whole text counts; `read`: rows that were looked
    at, `known` of which stand in gold already or twice."""

    positions: Sequence[int]
    gain: Sequence[float]
    words: Sequence[str]
    read: int
    known: int


@dataclass(frozen=True)
class Beside:
    """What else is known of the label's recall, differences -1..1; None where nothing is.

    `labelled`: what as many gold rows more, taken by chance, are likely to bring by gold's curve, and the 95 %
    interval; `mix`: the trained mix that brought most on dev, `brought` what; `seconds`: of one of its trainings;
    `worth`: it in gold sentences.
    """

    labelled: tuple[float, Interval] | None = None
    mix: str = ""
    brought: Difference | None = None
    seconds: float | None = None
    worth: Worth | None = None


def sources(recipe: Recipe, stage: Stage) -> list[str]:
    """The ingredients that are text without labels."""
    filled = [name for name, pool in stage.pools.items() if len(pool)]
    return [name for name in filled if unlabelled(recipe, name, stage) and root_of(recipe, name) == name]


def weak(prospect: Prospect, mix: Mix) -> tuple[str, ...]:
    """The labels of dev by the recall that is forecast, the lowest first; those with few mentions last. Raises
    CoreError `mix_*` for a mix that can't be drawn."""
    found = prospect.of(mix)
    support = dict(zip(found.labels, found.totals[2].tolist(), strict=True))
    recall = dict(zip(found.labels, found.recall.tolist(), strict=True))
    there = [label for label in found.labels if support[label]]
    return tuple(sorted(there, key=lambda label: (support[label] < FEW, recall[label], label)))


def spec_of(forecast: str, stage: Stage, prospect: Prospect, mix: Mix, asked: ChoosingParams) -> RunSpec:
    """The run that chooses. `forecast`: a finished one; `asked`: without what the mix draws."""
    drawn = {name: n for name, n in prospect.drawn(mix).items() if n}
    ids = {"gold": stage.imported["corpora"]["train"], "dev": stage.imported["corpora"]["dev"]}
    ids |= {"pool": stage.pools[asked.ingredient].id}
    inputs = {"forecast": f"run:{forecast}"} | {role: f"corpus:{id}" for role, id in ids.items()}
    return RunSpec(KIND, inputs, canonical(ChoosingParams(asked.ingredient, asked.label, drawn, asked.rows)))


def check(recipe: Recipe, stage: Stage, ingredient: str) -> str:
    """The ingredient, or the first where none is named. Raises CoreError `label_next_none` where no text is without
    labels, `unknown_ingredient`."""
    there = sources(recipe, stage)
    if not there:
        raise CoreError("label_next_none", {}, "hint_label_next_none")
    if ingredient and ingredient not in there:
        raise CoreError("unknown_ingredient", {"name": ingredient, "known": ", ".join(there)}, "hint_known")
    return ingredient or there[0]


def check_label(prospect: Prospect, mix: Mix, label: str) -> str:
    """The label, or the weakest where none is named. Raises CoreError `settle_label`."""
    known = weak(prospect, mix)
    if label and label not in known:
        raise CoreError("settle_label", {"label": label, "known": ", ".join(known) or "-"}, "hint_known")
    return label or known[0]


def chosen(workspace: Workspace, run: Run, pool: Corpus) -> Chosen:
    """What a finished run of the kind chose of a pool."""
    found = workspace.result(run.id)
    task, positions = task_of(pool.schema.task), found["rows"]
    places: list[int] = found["word"]
    rows = [*task.words(pool.take(np.array(positions, dtype=np.int64)).table)]
    words = ["" if task.reads == "row" else row[at] for row, at in zip(rows, places, strict=True)]
    return Chosen(positions, found["gain"], words, found["read"], found["known"])


def texts_of(pool: Corpus, positions: Sequence[int]) -> list[str]:
    """The running text of some rows, words joined where it is not known."""
    some = pool.take(np.array(positions, dtype=np.int64)).table
    texts = task_of(pool.schema.task).texts(some, True).to_pylist()
    if "tokens" not in some.column_names:
        return texts
    return [kept or text for kept, text in zip(some.column("text").to_pylist(), texts, strict=True)]


def export(found: Chosen, pool: Corpus, format: str) -> bytes:
    """The rows as a file for whoever labels them. Raises CoreError `unknown_format`, `token_unwritable`.

    csv: rank, gain, word and text, for spreadsheets; jsonl: {"text"} a line, as annotation tools read it; conll: a word
    a line, `_` for the tag that is not known.
    """
    known = formats(pool)
    if format not in known:
        raise CoreError("unknown_format", {"value": format, "known": ", ".join(known)}, "hint_known")
    if format == "conll":
        with TemporaryDirectory() as folder:
            write(pool.take(np.array(found.positions, dtype=np.int64)), Path(folder) / "rows", format=format)
            return (Path(folder) / "rows").read_bytes()
    texts = texts_of(pool, found.positions)
    if format == "jsonl":
        return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    lines = zip(found.gain, found.words, texts, strict=True)
    rows = [(rank, round(gain, 2), word, text) for rank, (gain, word, text) in enumerate(lines, 1)]
    return spreadsheet_csv(("rank", "gain", "word", "text"), rows)


def formats(pool: Corpus) -> list[str]:
    """What rows of a pool can be exported as."""
    return [name for name in FORMATS if name != "conll" or name in WRITERS[task_of(pool.schema.task).rows]]


def beside(workspace: Workspace, project: str, label: str, rows: int) -> Beside:
    """What gold's curve and the trained mixes say of a label's recall on dev. It takes seconds where there is a
    curve."""
    found = finished(workspace, project)
    gold = gold_only(found)
    if gold is None:
        return Beside()
    curve = curve_of(workspace, project, gold, "dev")
    labelled, line = None, None
    if curve is not None and curve.enough:
        points = points_of(workspace, curve, "dev")
        line = learning_curve(points, label) if label in next(iter(points.values())).names else None
    if line is not None:
        more = log1p(rows / line.gold)
        labelled = line.slope * more, interval(line.draws[1] * more)
    best = _best(workspace, gold, [one for one in by_dev(workspace, found) if one.id != gold.id], label)
    if best is None:
        return Beside(labelled)
    group, brought = best
    worth = None if line is None else judged(line, resampled(workspace, group, "dev"))
    return Beside(labelled, group.name, brought, seconds_of(group), worth)


def _best(workspace: Workspace, gold: Group, others: Sequence[Group], label: str) -> tuple[Group, Difference] | None:
    """Of mixes trained as gold only was, the one with the highest recall of a label on dev."""
    before, found = None, list[tuple[Group, Difference]]()
    for group in others:
        if not alike(group, gold):
            continue
        before = before or measure(counts_of(workspace, gold, "dev"))
        rows = {row.label: row for row in compare(before, measure(counts_of(workspace, group, "dev"))).labels}
        difference = rows[label].difference["recall"] if label in rows else None
        if difference is not None:
            found.append((group, difference))
    return max(found, key=lambda one: one[1].value, default=None)
