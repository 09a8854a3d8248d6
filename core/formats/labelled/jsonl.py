"""JSON Lines: one object a line, with a text and its label or labels."""

from pathlib import Path

from core.formats import text_lines
from core.formats.labelled import columns, rows
from core.formats.losses import Bad, shown
from core.formats.protocol import Layout, Read, ReadOptions
from core.formats.records import lines_of, record_of
from core.tasks.protocol import Task


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The records of a JSON Lines file; blank lines are none. The first one that has both says which keys are meant.

    Raises CoreError: those of `text_lines.blocks` and `rows.finish`, `columns_unknown`, `column_unknown`.
    """
    found = rows.Found(name, {role: role for role in columns.ROLES}, rows.splits(options))
    named: columns.Columns | None = None
    keys: list[str] = []  # of the first object
    for number, line in lines_of(path, name):
        try:
            record = record_of(line)
        except Bad as bad:
            found.drop(number, bad)
            continue
        keys = keys or list(record)
        if named is None and (named := columns.found(list(record), options.columns)):
            found.columns = named
        if named is None or any(key not in record for key in named.values()):
            found.drop(number, Bad("fields_missing", None, keys=shown(", ".join(record))))
        else:
            found.add(number, record[named["text"]], record[named["labels"]])
    if named is None and keys:
        raise columns.unknown(keys, options.columns, name)
    encoding = text_lines.mark_and_encoding(text_lines.head(path, name))[1]
    return rows.finish(found, options=options, task=task, layout=Layout("jsonl", encoding, None, 0, None, False))
