"""What a pool is made of, beside the rows that it was made from: before it costs training time."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.augment.protocol import Attempt, Example, Spent
from core.augment.sieve import Judged
from core.corpus import Corpus
from core.tasks import task as task_of
from core.tasks.example import spans


@dataclass(frozen=True)
class OfLabel:
    """Mentions of one label. `forms`: spellings in the pool; `new`: those of them that no parent row has."""

    parents: int
    children: int
    forms: int
    new: int


@dataclass(frozen=True)
class Attacked:
    """What attacks on a model came to, over all children that were tried.

    `rows`: of which the model was asked; `right`: about which it was right; `beaten`: about which it was right and then
    wrong; `queries`: the median and the mean of what an attack asked, over rows that it was right about; `changed`: the
    mean share of words that are others where it was beaten, 0..1; `before`, `after`: micro F1 of the rows, and of what
    was made of them, rows without a child as they are. Of rows with one label each F1 is accuracy.
    """

    rows: int
    right: int
    beaten: int
    queries: tuple[float, float]
    changed: float
    before: float
    after: float

    @property
    def success(self) -> float:
        """The share of the rows that the model was right about on which it was beaten, 0..1."""
        return self.beaten / max(1, self.right)


@dataclass(frozen=True)
class Labelled:
    """What a run gave rows that lacked labels. `labels`: mentions of each label, or rows; `known`: the share of their
    words whose tag is known now, 0..1; of rows that are labelled as a whole 1."""

    labels: Mapping[str, int]
    known: float


@dataclass(frozen=True)
class Audit:
    """`parents`: rows with a child; `changed`: the share of the children's words that are others, 0..1; `words`:
    different words of the pool, whatever their case; `new_words`: those of them that no parent row has; `labels`: by
    name, of rows that have mentions; `similarity`, `perplexity`: quartiles of the cosine to the parent, and of how many
    times its pseudo-perplexity, where that was checked; `spent`: what a language model took for it, where one wrote;
    `labelled`: where a run gave them their labels."""

    rows: int
    parents: int
    changed: float
    words: int
    new_words: int
    labels: Mapping[str, OfLabel]
    similarity: tuple[float, float, float] | None = None
    perplexity: tuple[float, float, float] | None = None
    spent: Spent | None = None
    attack: Attacked | None = None
    labelled: Labelled | None = None


def audit(
    parent: Corpus,
    pool: Corpus,
    thought: Judged | None = None,
    spent: Spent | None = None,
    attempts: Sequence[Attempt] = (),
    labels: bool = False,
) -> Audit:
    """A pool against the corpus that it was made of. `thought`: what a model says of its children; `spent`: what who
    wrote them took for it; `attempts`: what it took to make them, where that was an attack; `labels`: whether a run
    gave them their labels."""
    rows = task_of(parent.schema.task).examples(parent.table)
    children = task_of(pool.schema.task).examples(pool.table)
    known, found = _words(rows), _words(children)
    before, after = _mentions(rows), _mentions(children)
    return Audit(
        rows=len(children),
        parents=len(set(pool.table.column("parent").to_pylist())),
        changed=_others(pool) / max(1, sum(len(row.tokens) for row in children)),
        words=len(found),
        new_words=len(found - known),
        labels={label: _of_label(before[label], after[label]) for label in sorted({*before, *after})},
        similarity=_quartiles(None if thought is None else thought.similarity),
        perplexity=_quartiles(None if thought is None else thought.perplexity),
        spent=spent,
        attack=attacked(attempts) if attempts else None,
        labelled=_labelled(pool, children) if labels else None,
    )


def _labelled(pool: Corpus, children: Sequence[Example]) -> Labelled:
    names = pool.schema.labels
    _, found, _ = task_of(pool.schema.task).mentions(pool.table, names)
    counts = np.bincount(found, minlength=len(names)).tolist()
    words = [tag is not None for row in children for tag in row.tags]
    return Labelled(dict(zip(names, counts, strict=True)), sum(words) / max(1, len(words)))


def spent_line(spent: Spent) -> str:
    """For a log: who wrote, how many answers, what they took."""
    cost = "" if spent.cost is None else f", {spent.cost:.4f} {spent.currency}"
    new = spent.answers - spent.remembered
    return (
        f"{spent.writer}: {spent.answers} answers ({new} new), {spent.tokens_in} tokens in, {spent.tokens_out} out"
        f"{cost}; prompt {spent.prompt}"
    )


def attacked(attempts: Sequence[Attempt]) -> Attacked:
    """What some attacks came to, at least one."""
    right = [one for one in attempts if _f1([one.before]) == 1]
    beaten = [one for one in attempts if one.beaten]
    queries = [one.queries for one in right] or [0]
    return Attacked(
        rows=len(attempts),
        right=len(right),
        beaten=len(beaten),
        queries=(float(np.median(queries)), float(np.mean(queries))),
        changed=float(np.mean([one.changed / one.words for one in beaten])) if beaten else 0.0,
        before=_f1([one.before for one in attempts]),
        after=_f1([one.after for one in attempts]),
    )


def _f1(found: Sequence[tuple[int, int, int]]) -> float:
    """Micro F1 of what is right, predicted and gold; 1 where nothing is to be found and nothing was."""
    right, predicted, gold = np.sum(found, axis=0).tolist()
    return 2 * right / (predicted + gold) if predicted + gold else 1.0


def _quartiles(values: np.ndarray | None) -> tuple[float, float, float] | None:
    if values is None or not len(values):
        return None
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return low, middle, high


def _words(rows: Sequence[Example]) -> set[str]:
    return {token.casefold() for row in rows for token in row.tokens}


def _mentions(rows: Sequence[Example]) -> defaultdict[str, Counter[tuple[str, ...]]]:
    """How often each spelling occurs, by label."""
    found: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for row in rows:
        for span in spans(row.tags):
            found[span.label][row.tokens[span.start : span.end]] += 1
    return found


def _of_label(before: Counter[tuple[str, ...]], after: Counter[tuple[str, ...]]) -> OfLabel:
    return OfLabel(before.total(), after.total(), len(after), len(after.keys() - before.keys()))


def _others(pool: Corpus) -> int:
    """Words that stand where a parent had others."""
    found = 0
    for chunk in pool.table.column("changes").chunks:
        changes = chunk.flatten()
        found += int(changes.field("end").to_numpy().sum() - changes.field("start").to_numpy().sum())
    return found
