"""The run kind `label_next`: rows without labels in the order in which they are to be labelled, by a finished forecast.

numpy alone: the forecast has read the text already (core.forecast.preparing).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.forecast.forecast import Forecast, Pool, member_folder
from core.forecast.labelling import rank
from core.forecast.preparing import ForecastParams, rows_read, states_file
from core.params import CLOSED, build
from core.runs import RunContext
from core.tasks import task as task_of


@dataclass(frozen=True)
class ChoosingParams:
    """`ingredient`: the text without labels; `drawn`: rows that the mix draws of each ingredient; `label`: the one that
    is to gain; `rows`: how many are wanted."""

    __pydantic_config__ = CLOSED
    ingredient: str
    label: str
    drawn: dict[str, int] = field(default_factory=dict[str, int])
    rows: Annotated[int, Field(ge=1, le=2000)] = 50


def run(ctx: RunContext) -> None:
    """Inputs: `forecast`, the run; `gold`, `dev` and `pool`, corpora. Delivers positions in the pool, gains, words."""
    params = build(ChoosingParams, ctx.spec.params, "label_next")
    gold, dev, pool = (corpora.read(ctx.input(role)) for role in ("gold", "dev", "pool"))
    folder = ctx.input("forecast")
    forecast, made = Forecast.load(folder, dev), _params_of(folder)
    rows = rows_read(pool, made)
    some = pool.take(rows)
    at = len(forecast.names) + made.unlabelled.index(params.ingredient)
    files = (states_file(member_folder(folder, number), at) for number in range(len(forecast.members)))
    read = [Pool(some, np.lib.format.open_memmap(file, "r")) for file in files]

    def tell(done: int) -> None:
        ctx.check_cancelled()
        ctx.metric(step=done, total=params.rows)

    known = _known(some, gold)
    found = rank(forecast, gold, read, params.drawn, params.label, params.rows, known, tell)
    chosen = {"rows": rows[found.rows].tolist(), "gain": found.gain.tolist(), "word": found.word.tolist()}
    ctx.finish({**chosen, "read": len(rows), "known": len(known)})


def _params_of(folder: Path) -> ForecastParams:
    spec: Mapping[str, Any] = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    return build(ForecastParams, spec["params"], "forecast")


def _known(pool: Corpus, gold: Corpus) -> np.ndarray:
    """Positions of rows that stand in gold, or before in the pool. *Shape:* (rows,), int64."""
    task = task_of(pool.schema.task)
    seen = {task.text_content(words) for words in task.words(gold.table)}
    out: list[int] = []
    for at, words in enumerate(task.words(pool.table)):
        content = task.text_content(words)
        if content in seen:
            out.append(at)
        seen.add(content)
    return np.array(out, dtype=np.int64)
