"""From pools and a plan to the rows that are trained on."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from core.corpus import Corpus
from core.mix import draw, rarest
from core.tasks.protocol import Task


def strata(task: Task, corpus: Corpus) -> np.ndarray:
    """The stratum of every row, for stratified draws. *Shape:* (rows,), int64."""
    rows, labels = task.labels_of(corpus.table, corpus.schema.labels)
    return rarest(rows, labels, len(corpus), corpus.schema.labels)


def draw_mix(
    task: Task, pools: Mapping[str, Corpus], rows: Mapping[str, int], seed: int, mask_outside: Collection[str] = ()
) -> Corpus:
    """The drawn rows of all ingredients, in plan order, with the column `ingredient`.

    `rows`: what core.mix.plan delivers. `mask_outside`: ingredients whose unlabelled tokens are masked from the loss.
    """
    columns = [*pools["gold"].table.column_names]
    tables: list[pa.Table] = []
    for name, count in rows.items():
        if not count:
            continue
        pool = pools[name]
        drawn = pool.take(draw(pool.keys(), strata(task, pool), count, seed))
        table = task.masked(drawn, name in mask_outside).table.select(columns)
        tables.append(table.append_column("ingredient", pa.array([name] * count, pa.string())))
    return Corpus(pools["gold"].schema, pa.concat_tables(tables))


def split_off(task: Task, corpus: Corpus, rows: int, seed: int) -> tuple[Corpus, Corpus, np.ndarray]:
    """(what stays, what is split off, positions split off), stratified; both keep the order of the file."""
    picked = np.sort(draw(corpus.keys(), strata(task, corpus), rows, seed))
    stay = np.setdiff1d(np.arange(len(corpus)), picked)
    return corpus.take(stay), corpus.take(picked), picked
