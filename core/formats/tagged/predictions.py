"""Predictions of tags: CoNLL with the columns token, gold, predicted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from core.corpus import Corpus
from core.errors import CoreError, Issue, Value
from core.formats.protocol import ReadOptions
from core.formats.tagged import conll, writing
from core.tasks.protocol import Task

SUFFIX = ".conll"


def write(corpus: Corpus, path: Path, values: Sequence[Sequence[str]]) -> None:
    writing.conll(corpus, path, values)


def read(path: Path, name: str, task: Task) -> tuple[Corpus, pa.ChunkedArray, list[Issue]]:
    """Gold, predictions and what was repaired. Raises CoreError with file and row where one can't be read."""
    gold, found = (
        conll.read(path, name=name, options=ReadOptions(scheme="IOB2", tag_column=column), task=task)
        for column in (-2, -1)
    )
    issues = [*gold.issues, *(issue for issue in found.issues if issue not in gold.issues)]
    for issue in issues:
        if issue.action == "dropped":
            values: dict[str, Value] = {"file": name, "row": issue.row}
            raise CoreError(issue.code, values | issue.values, "hint_predictions")
    labels = tuple(sorted({*gold.corpus.schema.labels, *found.corpus.schema.labels}))
    schema = replace(gold.corpus.schema, labels=labels)
    return Corpus(schema, gold.corpus.table), found.corpus.table.column("tags"), issues
