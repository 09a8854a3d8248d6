"""The children of a pool that did not come to be: of each its parent and the reason, and those that a model rejected as
they were made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from core import corpus as corpora
from core.corpus import ID, Corpus, pc

REJECTED = pa.schema([("parent", ID), ("copy", pa.int32()), ("code", pa.string())])
REJECTED_FILE, SIFTED_FILE = "rejected.arrow", "sifted.arrow"  # reasons of all, and children that a model rejected


@dataclass(frozen=True)
class RejectedChild:
    """A child that did not come to be: the id of its parent row, which copy, and why."""

    parent: bytes
    copy: int
    code: str


def keep_rejected(folder: Path, rejected: Sequence[RejectedChild], sifted: pa.Table | None) -> None:
    """Into the folder of the run that built the pool."""
    columns = [[item.parent for item in rejected], [item.copy for item in rejected], [item.code for item in rejected]]
    corpora.keep(pa.table(columns, schema=REJECTED), {}, folder / REJECTED_FILE)
    if sifted is not None:
        corpora.keep(sifted, {}, folder / SIFTED_FILE)


def rejected_rows(folder: Path, parent: Corpus, code: str) -> np.ndarray:
    """Positions of the parents of which a child was rejected for a reason, each once, ascending. `folder`: of the run
    that built the pool. *Shape:* (rows,), int64; none where nothing is kept of it."""
    path = folder / REJECTED_FILE
    if not path.is_file():
        return np.empty(0, dtype=np.int64)
    kept_rows, _ = corpora.kept(path)
    ids = kept_rows.filter(pc.equal(kept_rows.column("code"), code)).column("parent")
    return np.flatnonzero(pc.is_in(parent.table.column("id"), value_set=ids.combine_chunks()).to_numpy())


def rejected_children(folder: Path, parent: Corpus, code: str) -> Corpus | None:
    """The children that a model rejected for a reason, as they were made; None where nothing is kept of them: those
    that failed before that were never whole. `folder`: of the run that built the pool."""
    path = folder / SIFTED_FILE
    if not path.is_file():
        return None
    found, _ = corpora.kept(path)
    some = found.filter(pc.equal(found.column("code"), code)).drop_columns(["code"])
    return Corpus(parent.schema, some) if len(some) else None
