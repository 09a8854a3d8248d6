"""Predictions of labels: CSV with the columns text, gold, predicted."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from core.corpus import Corpus, Schema
from core.errors import CoreError, Issue, Value
from core.formats.labelled import csv, writing
from core.formats.protocol import ReadOptions
from core.tasks.protocol import Task

SUFFIX = ".csv"


def write(corpus: Corpus, path: Path, values: Sequence[Sequence[str]]) -> None:
    writing.predictions(corpus, path, values)


def read(path: Path, name: str, task: Task) -> tuple[Corpus, pa.ChunkedArray, list[Issue]]:
    """Gold, predictions and what is to be said of them. Raises CoreError with file and row where one can't be read."""
    gold, found = (
        csv.read(path, name=name, options=ReadOptions(columns={"text": "text", "labels": column}), task=task)
        for column in ("gold", "predicted")
    )
    issues = [*gold.issues, *(issue for issue in found.issues if issue not in gold.issues)]
    for issue in issues:
        if issue.action == "dropped":
            values: dict[str, Value] = {"file": name, "row": issue.row}
            raise CoreError(issue.code, values | issue.values, "hint_predictions")
    labels = tuple(sorted({*gold.corpus.schema.labels, *found.corpus.schema.labels}))
    settled = task.settled([gold.corpus.table, found.corpus.table])
    schema = Schema(settled, labels, gold.corpus.schema.language)
    return Corpus(schema, gold.corpus.table), found.corpus.table.column("labels"), issues
