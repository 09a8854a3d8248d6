"""What a pool's words became: the part of a graph, of a thesaurus or of a model's expectations that was used."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from core.augment.protocol import Example
from core.corpus import Corpus
from core.tasks import task as task_of
from core.tasks.example import spans

LOOKED_AT = 10_000  # children: of more, the first


@dataclass(frozen=True)
class Link:
    """`was` became, or was followed by, `now`, so many times. `label`: of the mention that `now` is, None: of none."""

    was: str
    now: str
    label: str | None
    count: int


def links(pool: Corpus) -> list[Link]:
    """Of the first LOOKED_AT children, the most frequent first, then by spelling. Words that only moved or went are
    none."""
    some = pool.table.slice(0, LOOKED_AT)
    rows = task_of(pool.schema.task).examples(some)
    found = Counter(
        link for row, changes in zip(rows, some.column("changes").to_pylist(), strict=True)
        for change in changes if (link := _link(row, change["start"], change["end"], change["was"]))
    )  # fmt: skip
    ordered = sorted(found.items(), key=lambda item: (-item[1], *map(str, item[0])))
    return [Link(*link, count) for link, count in ordered]


def _link(row: Example, start: int, end: int, was: list[str]) -> tuple[str, str, str | None] | None:
    """(was, now, label) of one change; None where nothing new stands there."""
    before = " ".join(was) if was else _word_before(row, start)
    words = [*_content(row, start, end)]
    if not before or not words:
        return None
    label = next((span.label for span in spans(row.tags) if start <= span.start and span.end <= end), None)
    now = " ".join(words)
    return None if now.casefold() == before.casefold() else (before, now, label)


def _content(row: Example, start: int, end: int) -> Iterator[str]:
    """The words of a change, without the marks that set them beside another."""
    return (word for word in row.tokens[start:end] if any(map(str.isalnum, word)))


def _word_before(row: Example, at: int) -> str:
    """The mention, or the word, that ends where something was put in."""
    whole = next((span for span in spans(row.tags) if span.end == at), None)
    return " ".join(row.tokens[whole.start : at] if whole else row.tokens[max(0, at - 1) : at])
