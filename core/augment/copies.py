"""Changed copies of a corpus: slips of the keyboard in some words, or every mention become another one of its label.

What is to be found in them stays true, and row stands against row.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from core.augment import check_suits, make, params_of
from core.augment.edits import substituted
from core.augment.protocol import Child, Example, Rejected, Resources, rng_for
from core.corpus import Corpus, digest_parts
from core.tasks import task as task_of
from core.tasks.protocol import schema_of

_ONE_SLIP = 1e-9  # so rare that chance takes no letter of a word, and one is changed all the same
_ROWS = 500  # between two calls of `check`


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Copy:
    """A changed copy of a corpus, row by row. `unchanged`: rows that stayed as they are, by reason; `words`: the share
    of words that are others, 0..1."""

    corpus: Corpus
    unchanged: Mapping[str, int]
    words: float


def with_slips(
    data: Corpus, rates: Sequence[float], seed: int, cache: Path, check: Callable[[], None] = _nothing
) -> list[Copy]:
    """A copy for each rate, 0..1: the share of its words of four characters or more in which one is mistyped.

    Belinkov & Bisk 2018, https://arxiv.org/abs/1711.02173 ("key"): one letter becomes its neighbour on the keyboard.
    A word that has a slip in one copy has the same slip in every copy with a higher rate. `check` is called now and
    then and may raise. Raises CoreError `no_keyboard` where none is known for the language.
    """
    rows = task_of(data.schema.task).examples(data.table)
    resources = Resources(rows, data.schema.language, cache)
    slips = make("keyboard", params_of("keyboard", {"rate": 1.0, "character_rate": _ONE_SLIP}), resources)
    found: list[list[Child | Rejected]] = [[] for _ in rates]
    for at, row in enumerate(rows):
        if at % _ROWS == 0:
            check()
        whole = slips.augment(row, 0, rng_for(seed, "keyboard", row.id, 0))
        chance = rng_for(seed, "slips", row.id, 0)
        changes = () if isinstance(whole, Rejected) else whole.changes
        drawn = [(change.start, chance.random()) for change in changes]
        for rate, children in zip(rates, found, strict=True):
            new = {} if isinstance(whole, Rejected) else {at: whole.tokens[at] for at, luck in drawn if luck < rate}
            rejected = whole if isinstance(whole, Rejected) else Rejected("none_drawn")
            children.append(substituted(row, new) if new else rejected)
    return [_copy(data, rows, of, f"slips {rate:g} {seed}") for rate, of in zip(rates, found, strict=True)]


def with_other_mentions(data: Corpus, seed: int, cache: Path, check: Callable[[], None] = _nothing) -> Copy:
    """A copy in which every mention is another mention of its label from the same corpus (see mention_replacement).

    Raises CoreError `augmenter_needs` where rows have no mentions.
    """
    check_suits("mention_replacement", task_of(data.schema.task))
    rows = task_of(data.schema.task).examples(data.table)
    resources = Resources(rows, data.schema.language, cache)
    swap = make("mention_replacement", params_of("mention_replacement", {"rate": 1.0}), resources)
    children: list[Child | Rejected] = []
    for at, row in enumerate(rows):
        if at % _ROWS == 0:
            check()
        children.append(swap.augment(row, 0, rng_for(seed, "mention_replacement", row.id, 0)))
    return _copy(data, rows, children, f"mentions {seed}")


def _copy(data: Corpus, rows: Sequence[Example], children: Sequence[Child | Rejected], step: str) -> Copy:
    task = task_of(data.schema.task)
    changed = [isinstance(child, Child) for child in children]
    same = (Child(row.tokens, row.tags, ()) if isinstance(child, Rejected) else child
            for row, child in zip(rows, children, strict=True))  # fmt: skip
    born = [*enumerate(same)]
    made, schema = task.children(data.table, born), schema_of(task)
    ids = [digest_parts((row.id, b"robustness", step.encode())) if new else row.id
           for row, new in zip(rows, changed, strict=True)]  # fmt: skip
    parents = zip(rows, changed, data.table.column("parent").to_pylist(), strict=True)
    columns = {
        "id": ids,
        "origin": data.table.column("origin").to_pylist(),
        "parent": [row.id if new else parent for row, new, parent in parents],
        **made,
    }
    table = pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)
    others = sum(change.end - change.start for _, child in born for change in child.changes)
    words = sum(len(child.tokens) for _, child in born)
    unchanged = Counter(child.code for child in children if isinstance(child, Rejected))
    return Copy(Corpus(data.schema, table), dict(unchanged.most_common()), others / max(words, 1))
