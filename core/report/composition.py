"""What a mix consists of, told from indexes of its pools alone: fast enough to follow a slider."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache

import numpy as np

from core.corpus import Corpus, digest_parts
from core.mix import GOLD, Mix, cap, draw, plan, realised, splitmix64
from core.tasks import task
from core.tasks.drawing import strata

_DRAWS_KEPT = 4  # per pool: a draw of another seed or of more passes puts the oldest out
_UNCAPPED = 1e18  # repeats that no pool falls short of
_SPECIAL = 2  # sub-tokens that a model adds to each row


@dataclass(frozen=True)
class PoolIndex:
    """What a composition needs of one pool, made once per corpus.

    *Shapes:* keys, strata, lengths (rows,); label_counts (rows, labels), int32; mention_ids, uint64, and mention_labels
    (mentions,), row by row; mention_offsets (rows + 1,). `lengths`: words. A mention has one id in every corpus.
    """

    labels: tuple[str, ...]
    keys: np.ndarray
    strata: np.ndarray
    lengths: np.ndarray
    label_counts: np.ndarray
    mention_offsets: np.ndarray
    mention_ids: np.ndarray
    mention_labels: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def words(self) -> int:
        return int(self.lengths.sum())

    def drawn(self, rows: int, seed: int) -> np.ndarray:
        """The positions that core.mix.draw delivers; whole passes are drawn once, and any part of them is a slice."""
        passes = -(-rows // self.rows) if rows else 0
        return self._passes(passes, seed)[:rows]

    @cached_property
    def _passes(self) -> Callable[[int, int], np.ndarray]:
        return lru_cache(_DRAWS_KEPT)(lambda passes, seed: draw(self.keys, self.strata, passes * self.rows, seed))


@dataclass(frozen=True)
class IngredientShare:
    """What a mix holds of one ingredient. Rows and words count repeats, mentions don't."""

    name: str
    rows: int
    share: float  # of all rows drawn, 0..1
    times_gold: float
    pool_rows: int
    max_repeat: int  # how often the most repeated row is seen in one pass over the mix
    cap: int  # the most rows it may deliver
    requested: int  # rows asked for
    new_mentions: int  # distinct mentions of the drawn rows that don't stand in gold train
    words: int


@dataclass(frozen=True)
class Composition:
    """A mix as it would be drawn. `labels`: mentions per label of "mix", of whole "gold", and of "dev" where known."""

    parts: tuple[IngredientShare, ...]
    rows: int
    words: int
    labels: Mapping[str, Mapping[str, int]]
    new_mentions: int  # distinct ones of the whole mix that don't stand in gold train
    passes: float | None  # how often a row of gold comes in one pass over the mix, on average; None: gold has no rows


@dataclass(frozen=True)
class _Drawn:
    """The drawn rows of one pool, summed. `labels`: mentions per label of the pool; `mentions`: distinct ids."""

    words: int
    labels: np.ndarray
    mentions: np.ndarray


def index(corpus: Corpus) -> PoolIndex:
    """The index of one corpus."""
    labels, rows = corpus.schema.labels, len(corpus)
    row_of, label_of, ids = _mentions(corpus)
    counts = np.bincount(row_of * len(labels) + label_of, minlength=rows * len(labels)).reshape(rows, len(labels))
    return PoolIndex(
        labels=labels,
        keys=corpus.keys(),
        strata=strata(task(corpus.schema.task), corpus),
        lengths=task(corpus.schema.task).lengths(corpus.table),
        label_counts=counts.astype(np.int32),
        mention_offsets=np.concatenate(([0], np.cumsum(np.bincount(row_of, minlength=rows)))),
        mention_ids=ids,
        mention_labels=label_of,
    )


def mention_id(label: str, surface: str) -> int:
    """64 bits that stand for a mention wherever it occurs; case makes no difference."""
    return int.from_bytes(digest_parts((label.encode(), surface.casefold().encode()))[:8], "little")


def compose(mix: Mix, pools: Mapping[str, PoolIndex], dev: PoolIndex | None, labels: Sequence[str]) -> Composition:
    """What `mix` would draw from `pools`, gold among them. Raises CoreError as core.mix.plan does."""
    sizes = {name: pool.rows for name, pool in pools.items()}
    rows = plan(mix, sizes)
    requested = _requested(mix, sizes)
    found = {name: _drawn(pools[name], count, mix.seed) for name, count in rows.items()}
    new = {name: np.setdiff1d(part.mentions, pools[GOLD].mention_ids) for name, part in found.items()}
    parts = tuple(
        IngredientShare(
            name=name,
            **vars(part),
            cap=cap(mix.max_repeats, part.pool_rows),
            requested=requested[name],
            new_mentions=len(new[name]),
            words=found[name].words,
        )
        for name, part in realised(rows, sizes).items()
    )
    in_mix = [_aligned(pools[name].labels, part.labels, labels) for name, part in found.items()]
    series = {"mix": np.sum(in_mix, axis=0), GOLD: _all_mentions(pools[GOLD], labels)}
    if dev is not None:
        series["dev"] = _all_mentions(dev, labels)
    return Composition(
        parts=parts,
        rows=sum(rows.values()),
        words=sum(part.words for part in parts),
        labels={name: dict(zip(labels, counts.tolist(), strict=True)) for name, counts in series.items()},
        new_mentions=len(np.unique(np.concatenate([*new.values()]))),
        passes=rows[GOLD] / sizes[GOLD] if sizes[GOLD] else None,
    )


def gold_passes(composition: Composition, steps: int, batch_tokens: int, subwords_per_word: float) -> float:
    """About how often a training of so many steps sees each row of gold; batches are taken as full."""
    subwords = composition.words * subwords_per_word + composition.rows * _SPECIAL
    batches = max(1, math.ceil(subwords / batch_tokens))
    return steps / batches * (composition.passes or 0.0)


def sample_rows(mix: Mix, pools: Mapping[str, PoolIndex], count: int = 20, seed: int = 0) -> list[tuple[str, int]]:
    """(ingredient, row position) of a few different rows that `mix` draws, in recipe order.

    Each ingredient that delivers rows shows at least one, and further ones in proportion, by Sainte-Laguë: an amount
    that grows never costs its ingredient a row here. Within an ingredient the drawn rows with the smallest hashes are
    shown (bottom-k sampling), so that a larger draw changes few of them. Raises CoreError as core.mix.plan does.
    """
    rows = {name: n for name, n in plan(mix, {name: pool.rows for name, pool in pools.items()}).items() if n}
    shown = dict.fromkeys(rows, 1)
    for _ in range(count - len(rows)):
        room = [name for name in rows if shown[name] < min(rows[name], pools[name].rows)]
        if not room:
            break
        shown[max(room, key=lambda name: rows[name] / (2 * shown[name] + 1))] += 1
    return [(name, row) for name, few in shown.items() for row in _few(pools[name], rows[name], mix.seed, few, seed)]


def _few(pool: PoolIndex, rows: int, mix_seed: int, few: int, seed: int) -> list[int]:
    drawn = pool.drawn(min(rows, pool.rows), mix_seed)  # the first pass holds every row that later ones repeat
    salt = splitmix64(np.array([seed % 2**64], dtype=np.uint64))
    return drawn[np.argsort(splitmix64(pool.keys[drawn] ^ salt), kind="stable")[:few]].tolist()


def _mentions(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, label, id) of every mention, row by row. *Shapes:* (mentions,) each; ids uint64."""
    labels, hashed = corpus.schema.labels, cache(mention_id)
    rows, label_of, surfaces = task(corpus.schema.task).mentions(corpus.table, labels)
    ids = map(hashed, (labels[label] for label in label_of.tolist()), surfaces)
    return rows, label_of, np.fromiter(ids, dtype=np.uint64, count=len(rows))


def _requested(mix: Mix, sizes: Mapping[str, int]) -> dict[str, int]:
    """Rows asked for: the plan over pools that hold as many as one likes; an amount counts in rows of gold as it is."""
    boundless = replace(mix, short="shrink", max_repeats=_UNCAPPED)
    return plan(boundless, {name: rows if name == GOLD else max(rows, 1) for name, rows in sizes.items()})


def _drawn(pool: PoolIndex, rows: int, seed: int) -> _Drawn:
    times = np.bincount(pool.drawn(rows, seed), minlength=pool.rows)
    of_drawn = np.repeat(times > 0, np.diff(pool.mention_offsets))
    return _Drawn(int(times @ pool.lengths), times @ pool.label_counts, np.unique(pool.mention_ids[of_drawn]))


def _all_mentions(pool: PoolIndex, labels: Sequence[str]) -> np.ndarray:
    return _aligned(pool.labels, pool.label_counts.sum(0), labels)


def _aligned(names: Sequence[str], counts: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Counts per label in the order of `labels`; 0 for those not among `names`. *Shape:* (labels,), int64."""
    there = dict(zip(names, counts.tolist(), strict=True))
    return np.array([there.get(label, 0) for label in labels], dtype=np.int64)
