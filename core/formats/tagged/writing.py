"""Corpora as files that other tools, and `read`, understand. A file appears whole or not at all."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from core.corpus import Corpus
from core.errors import CoreError
from core.formats.tagged.schemes import MASKED
from core.formats.whole import whole_text
from core.tasks.example import spans
from core.tasks.tokenise import tokenise

_BATCH = 1000  # rows turned into Python objects at a time
_UNWRITABLE = "\t\n\r\0"  # what a field can't hold


def conll(corpus: Corpus, path: Path, *more: Iterable[Sequence[str | None]]) -> None:
    """Token, tag and further columns between tabs, IOB2, `_` for a tag that is not known, an empty line after a row.

    `more`: per further column the tags of each row, in row order; a predictions file has one, the predicted tags.
    Raises CoreError `token_unwritable`; ValueError where a column and the tokens differ in length.
    """
    others = zip(*more, strict=True) if more else None
    with whole_text(path) as file:
        for number, row in enumerate(_rows(corpus, ["tokens", "tags"])):
            columns = [row["tags"], *(next(others, ()) if others else ())]
            if len(columns) != 1 + len(more):
                raise ValueError("a column has fewer rows than the corpus")
            lines = [_line(token, tags) for token, *tags in zip(row["tokens"], *columns, strict=True)]
            if any(character in line.replace("\t", "", len(columns)) for line in lines for character in _UNWRITABLE):
                raise CoreError("token_unwritable", {"row": number + 1})
            if number == 0 and lines and lines[0].startswith("\ufeff"):
                file.write("\ufeff")  # or the token's own would be taken for the byte order mark
            file.write("\n".join([*lines, "", ""]))


def jsonl(corpus: Corpus, path: Path) -> None:
    """One object a line: text and spans where they say it all, else tokens and tags (null: not known)."""
    with whole_text(path) as file:
        for row in _rows(corpus, ["tokens", "tags", "text", "starts", "ends"]):
            file.write(json.dumps(_record(row), ensure_ascii=False) + "\n")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    text, tags = row["text"], row["tags"]
    if text is None or None in tags or tokenise(text) != list(zip(row["starts"], row["ends"], strict=True)):
        return {"tokens": row["tokens"], "tags": tags}
    found = [
        {"start": row["starts"][span.start], "end": row["ends"][span.end - 1], "label": span.label}
        for span in spans(tags)
    ]
    return {"text": text, "spans": found}


def _line(token: str, tags: Sequence[str | None]) -> str:
    return "\t".join([token, *(MASKED if tag is None else tag for tag in tags)])


def _rows(corpus: Corpus, columns: list[str]) -> Iterator[dict[str, Any]]:
    batches = corpus.table.select(columns).to_batches(max_chunksize=_BATCH)
    return chain.from_iterable(batch.to_pylist() for batch in batches)
