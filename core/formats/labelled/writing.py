"""Labelled texts as files that other tools, and `read`, understand. A file appears whole or not at all."""

import csv as table
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from core.corpus import Corpus
from core.formats.labelled.rows import SPLITS
from core.formats.labels import UNKNOWN
from core.formats.whole import whole_bytes, whole_text

_BATCH = 1000  # rows turned into Python objects at a time


def csv(corpus: Corpus, path: Path) -> None:
    """The columns text and labels; several labels with | between them."""
    with whole_text(path) as file:
        out = table.writer(file, lineterminator="\n")
        out.writerow(("text", "labels"))
        out.writerows((text, cell_of(labels)) for text, labels in _rows(corpus))


def jsonl(corpus: Corpus, path: Path) -> None:
    """One object a line: {"text", "labels": [...]}, null where they are not known."""
    with whole_text(path) as file:
        for text, labels in _rows(corpus):
            file.write(json.dumps({"text": text, "labels": labels}, ensure_ascii=False) + "\n")


def parquet(corpus: Corpus, path: Path) -> None:
    """The columns text and labels, a list of strings."""
    with whole_bytes(path) as file:
        pq.write_table(corpus.table.select(["text", "labels"]), file)


def predictions(corpus: Corpus, path: Path, values: Sequence[Sequence[str]]) -> None:
    """The columns text, gold and predicted, cells as in `csv`."""
    with whole_text(path) as file:
        out = table.writer(file, lineterminator="\n")
        out.writerow(("text", "gold", "predicted"))
        rows = zip(_rows(corpus), values, strict=True)
        out.writerows((text, cell_of(gold), cell_of(found)) for (text, gold), found in rows)


def cell_of(labels: Sequence[str | None] | None) -> str:
    """Labels as `csv.read` understands them: with | between them, or as a JSON array where that could be misread."""
    if labels is None:
        return UNKNOWN
    plain = [UNKNOWN if label is None else label for label in labels]
    odd = any(label is not None and (label == UNKNOWN or label[0] in "[" or any(mark in label for mark in SPLITS))
              for label in labels)  # fmt: skip
    if odd or not labels or labels == [None]:
        return json.dumps([*labels], ensure_ascii=False)
    return SPLITS[0].join(plain)


def _rows(corpus: Corpus) -> Iterator[tuple[Any, Any]]:
    for batch in corpus.table.select(["text", "labels"]).to_batches(max_chunksize=_BATCH):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
