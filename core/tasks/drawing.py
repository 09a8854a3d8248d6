"""From pools and a plan to the rows that are trained on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.corpus import Corpus, pc
from core.mix import GOLD, Mix, draw, plan, rarest
from core.tasks.protocol import Task
from core.tasks.shots import few


def strata(task: Task, corpus: Corpus) -> np.ndarray:
    """The stratum of every row, for stratified draws. *Shape:* (rows,), int64."""
    rows, labels = task.labels_of(corpus.table, corpus.schema.labels)
    return rarest(rows, labels, len(corpus), corpus.schema.labels)


def drawn_rows(task: Task, pools: Mapping[str, Corpus], rows: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    """Positions in each pool of what is drawn from it, in plan order. `rows`: what core.mix.plan delivers."""
    return {
        name: draw(pools[name].keys(), strata(task, pools[name]), count, seed) for name, count in rows.items() if count
    }


@dataclass(frozen=True)
class Drawn:
    """What a mix delivers. `pools`: what it is drawn from; `rows`: how many of each; `picked`: positions there, in plan
    order."""

    pools: Mapping[str, Corpus]
    rows: Mapping[str, int]
    picked: Mapping[str, np.ndarray]


def drawn_of(task: Task, pools: Mapping[str, Corpus], mix: Mix, seed: int) -> Drawn:
    """A mix as one training draws it. `seed`: of that training, which counts where each draws its own."""
    seed = mix.seed + seed if mix.draw_per_seed else mix.seed
    pools = few_of(task, pools, mix, seed)
    rows = plan(mix, {name: len(pool) for name, pool in pools.items()})
    return Drawn(pools, rows, drawn_rows(task, pools, rows, seed))


def few_of(task: Task, pools: Mapping[str, Corpus], mix: Mix, seed: int) -> Mapping[str, Corpus]:
    """The pools that a mix is drawn from: of gold the few rows that it asks for, if it does, and of what was made of
    gold what was made of these. `seed`: of the draw."""
    if mix.shots is None:
        return pools
    gold = pools[GOLD]
    kept = few(task, gold, mix.shots, seed)
    left_out = pc.filter(gold.table.column("id"), pa.array(~np.isin(np.arange(len(gold)), kept)))
    found = {name: pool.take(_not_from(pool, left_out)) for name, pool in pools.items() if name != GOLD}
    return {GOLD: gold.take(kept), **found}


def _not_from(pool: Corpus, roots: pa.ChunkedArray) -> np.ndarray:
    """Positions of the rows that do not go back to one of `roots`."""
    theirs = pc.is_in(pool.table.column("origin"), value_set=roots.combine_chunks())
    return np.flatnonzero(~theirs.to_numpy())


def mixed(
    task: Task, pools: Mapping[str, Corpus], drawn: Mapping[str, np.ndarray], mask_outside: Collection[str] = ()
) -> Corpus:
    """The drawn rows of all ingredients, in plan order, with the column `ingredient`.

    `mask_outside`: ingredients whose unlabelled tokens are masked from the loss.
    """
    columns = [*pools["gold"].table.column_names]
    tables: list[pa.Table] = []
    for name, positions in drawn.items():
        table = task.masked(pools[name].take(positions), name in mask_outside).table.select(columns)
        tables.append(table.append_column("ingredient", pa.array([name] * len(positions), pa.string())))
    return Corpus(pools["gold"].schema, pa.concat_tables(tables))


def draw_mix(
    task: Task, pools: Mapping[str, Corpus], rows: Mapping[str, int], seed: int, mask_outside: Collection[str] = ()
) -> Corpus:
    """`mixed` of `drawn_rows`."""
    return mixed(task, pools, drawn_rows(task, pools, rows, seed), mask_outside)


def split_off(task: Task, corpus: Corpus, rows: int, seed: int) -> tuple[Corpus, Corpus, np.ndarray]:
    """(what stays, what is split off, positions split off), stratified; both keep the order of the file."""
    picked = np.sort(draw(corpus.keys(), strata(task, corpus), rows, seed))
    stay = np.setdiff1d(np.arange(len(corpus)), picked)
    return corpus.take(stay), corpus.take(picked), picked
