"""What an encoder makes of whole rows, computed once and kept among what can be made again."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from core import corpus as corpora
from core.models.reading import Encoder
from core.tasks import task as task_of
from core.tasks.protocol import Task

_FEW = 64  # rows that are read sooner than they are looked up


def states_of(task: Task, table: pa.Table, encoder: Path, cache: Path, check: Callable[[], None]) -> np.ndarray:
    """The mean over a row's sub-tokens, of length 1. *Shape:* (rows, width), float32.

    `encoder`: an installed folder; `check` is called before each batch and may raise.
    """
    if len(table) <= _FEW:
        return _encoder(encoder, task.name).read(table, check, items=False).rows
    mark = hashlib.sha256(b"".join(task.text_content(words) for words in task.words(table))).hexdigest()
    path = cache / "states" / f"{mark[:24]}-{encoder.name[:24]}.arrow"
    if not path.exists():
        found = _encoder(encoder, task.name).read(table, check, items=False).rows
        path.parent.mkdir(parents=True, exist_ok=True)
        states = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
        corpora.keep(pa.table({"state": states}), {}, path)
    column = corpora.kept(path)[0].column("state").combine_chunks()
    return column.flatten().to_numpy().reshape(len(table), -1)


@lru_cache(maxsize=1)
def _encoder(folder: Path, task: str) -> Encoder:
    """In memory: an installed folder never changes."""
    return Encoder(folder, task_of(task))
