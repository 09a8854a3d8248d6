"""A mix: how many rows of each ingredient, and the deterministic, nested, stratified draw that delivers them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from core.errors import CoreError
from core.params import CLOSED

GOLD = "gold"
Unit = Literal["times_gold", "rows", "share"]
Short = Literal["shrink", "error", "refill"]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Part:
    """How much of one ingredient; without a unit, the mix's own holds."""

    __pydantic_config__ = CLOSED
    amount: Amount
    unit: Unit | None = None


@dataclass(frozen=True)
class Mix:
    """Amounts per ingredient. Gold is in, whole, unless `parts` says otherwise."""

    __pydantic_config__ = CLOSED
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    unit: Unit = "times_gold"
    size: Annotated[int, Field(ge=1)] | None = None  # rows in all; required by, and only for, shares
    max_repeats: Annotated[float, Field(gt=0)] = 4  # a part delivers at most floor(max_repeats x its pool)
    short: Short = "shrink"
    seed: int = 0
    draw_per_seed: bool = False
    shots: Annotated[int, Field(ge=1)] | None = None  # of gold so few rows that each label stands in them so often, see
    # core.tasks.shots; None: all of it. Amounts are then those of that gold

    def requested(self) -> dict[str, tuple[float, Unit]]:
        """Amount and unit per ingredient, in recipe order, gold first where it was left out."""
        asked: dict[str, tuple[float, Unit]] = {n: (p.amount, p.unit or self.unit) for n, p in self.parts.items()}
        if GOLD not in asked:
            default: tuple[float, Unit] = (1.0, "times_gold")
            asked = {GOLD: default, **asked}
        return asked


@dataclass(frozen=True)
class Realised:
    """What a mix delivers of one ingredient."""

    rows: int
    share: float  # of all rows drawn, 0..1
    times_gold: float  # rows / gold train rows
    pool_rows: int
    max_repeat: int  # how often the most repeated row is seen in one pass over the mix


def check(mix: Mix) -> None:
    """Raise what is wrong with the amounts whatever the pools hold: CoreError `bad_rows`, `size_missing`,
    `size_unused`, `shares_sum`."""
    requested = mix.requested()
    for name, (amount, unit) in requested.items():
        if unit == "rows" and amount != int(amount):
            raise CoreError("bad_rows", {"name": name, "value": amount, "where": f"mix.parts.{name}"})
    shares = {name: _exact(amount) for name, (amount, unit) in requested.items() if unit == "share"}
    if not shares:
        if mix.size is not None:
            raise CoreError("size_unused", {"size": mix.size, "where": "mix.size"}, "hint_size_unused")
        return
    if mix.size is None:
        name = next(iter(shares))
        raise CoreError("size_missing", {"name": name, "where": f"mix.parts.{name}"}, "hint_size_missing")
    total = sum(shares.values())
    if abs(total - 1) > Fraction(1, 1_000_000):
        raise CoreError("shares_sum", {"sum": repr(float(total)), "where": "mix.parts"}, "hint_shares_sum")


def plan(mix: Mix, pools: Mapping[str, int]) -> dict[str, int]:
    """Rows to draw per ingredient, in recipe order.

    `pools`: rows available per ingredient, gold among them. Raises CoreError: those of `check`,
    `unknown_ingredient`, `shares_negative`, `mix_short`, `mix_empty`.
    """
    check(mix)
    requested = mix.requested()
    for name in requested:
        if name not in pools:
            raise CoreError("unknown_ingredient", {"name": name, "known": ", ".join(pools)}, "hint_known")
    wanted = {n: _rows(amount, unit, pools[GOLD]) for n, (amount, unit) in requested.items() if unit != "share"}
    wanted |= _shares(mix, requested, sum(wanted.values()))
    wanted = {name: wanted[name] for name in requested}
    caps = {name: cap(mix.max_repeats, pools[name]) for name in requested}
    delivered = {name: min(rows, caps[name]) for name, rows in wanted.items()}
    short = [name for name in wanted if delivered[name] < wanted[name]]
    if short and mix.short == "error":
        name = short[0]
        raise CoreError(
            "mix_short",
            {"name": name, "wanted": wanted[name], "pool": pools[name], "most": caps[name]},
            "hint_mix_short",
        )
    if short and mix.short == "refill":
        delivered = _refill(wanted, delivered, caps)
    if not sum(delivered.values()):
        raise CoreError("mix_empty", {}, "hint_mix_empty")
    return delivered


def realised(rows: Mapping[str, int], pools: Mapping[str, int]) -> dict[str, Realised]:
    """The composition of a planned draw."""
    total = sum(rows.values())
    gold = pools[GOLD]
    return {
        name: Realised(
            rows=n,
            share=n / total if total else 0.0,
            times_gold=n / gold if gold else 0.0,
            pool_rows=pools[name],
            max_repeat=math.ceil(n / pools[name]) if pools[name] else 0,
        )
        for name, n in rows.items()
    }


def cap(max_repeats: float, pool: int) -> int:
    """The most rows that a pool may deliver: floor(max_repeats x pool), exact in decimal."""
    return math.floor(_exact(max_repeats) * pool)


def _exact(number: float) -> Fraction:
    """The decimal number that was written, so that 0.15 x 10 + 1/2 rounds up as on paper."""
    return Fraction(repr(float(number)))


def _rows(amount: float, unit: Unit, gold: int) -> int:
    return math.floor(_exact(amount) * gold + Fraction(1, 2)) if unit == "times_gold" else int(amount)


def _shares(mix: Mix, requested: Mapping[str, tuple[float, Unit]], taken: int) -> dict[str, int]:
    """Rows of the parts given as shares: of what `size` leaves, by largest remainder, ties in recipe order."""
    shares = {name: _exact(amount) for name, (amount, unit) in requested.items() if unit == "share"}
    if not shares or mix.size is None:
        return {}
    left = mix.size - taken
    if left < 0:
        values = {"size": mix.size, "taken": taken, "where": "mix.size"}
        raise CoreError("shares_negative", values, "hint_shares_negative")
    total = sum(shares.values())  # 1, but for what the tolerance allows
    return _largest_remainder({name: share / total for name, share in shares.items()}, left)


def _largest_remainder(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Whole numbers that sum to `total`, as near to the shares (summing to 1) as may be."""
    rows = {name: math.floor(share * total) for name, share in shares.items()}
    order = sorted(shares, key=lambda name: rows[name] - shares[name] * total)  # stable: ties keep their order
    for name in order[: total - sum(rows.values())]:
        rows[name] += 1
    return rows


def _refill(wanted: Mapping[str, int], delivered: Mapping[str, int], caps: Mapping[str, int]) -> dict[str, int]:
    """Give what is missing to the parts that have room, in proportion to what was asked of them."""
    rows = dict(delivered)
    missing = sum(wanted.values()) - sum(rows.values())
    while missing:
        room = {name: wanted[name] for name in wanted if wanted[name] and rows[name] < caps[name]}
        if not room:
            break
        total = sum(room.values())
        for name, extra in _largest_remainder({n: Fraction(w, total) for n, w in room.items()}, missing).items():
            rows[name] = min(rows[name] + extra, caps[name])
        missing = sum(wanted.values()) - sum(rows.values())
    return rows


def splitmix64(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014), element-wise on uint64."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def draw(keys: np.ndarray, strata: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Positions of `rows` rows of a pool, nested: a larger draw begins with the smaller one.

    `keys`: uint64, the first 8 bytes of each row id. `strata`: int, the stratum of each row (its globally
    rarest label). Whole passes over the pool come first, each with its own salt. *Shapes:* (pool,), (pool,)
    -> (rows,), int64.
    """
    pool = len(keys)
    if not rows:
        return np.empty(0, dtype=np.int64)
    if not pool:
        raise ValueError("a draw from an empty pool")
    passes, rest = divmod(rows, pool)
    out = [_order(keys, strata, seed, p) for p in range(passes)]
    if rest:
        out.append(_order(keys, strata, seed, passes, rest))
    return np.concatenate(out)


def _order(keys: np.ndarray, strata: np.ndarray, seed: int, salt: int, first: int | None = None) -> np.ndarray:
    """One pass: positions by (p, key), p = (rank + 1/2) / stratum size; only the `first` of them if given."""
    mixed = splitmix64(keys ^ _salted(seed, salt))
    by_stratum = np.lexsort((np.arange(len(keys)), mixed, strata))
    sizes = np.bincount(strata)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    sorted_strata = strata[by_stratum]
    position = (np.arange(len(keys)) - starts[sorted_strata] + 0.5) / sizes[sorted_strata]
    if first is not None and first < len(keys):
        bound = np.partition(position, first - 1)[first - 1]
        near = np.flatnonzero(position <= bound)
        by_stratum, position = by_stratum[near], position[near]
    order = np.lexsort((mixed[by_stratum], position))
    return by_stratum[order][:first].astype(np.int64)


def _salted(seed: int, salt: int) -> np.uint64:
    """The value a pass XORs into its keys: the seed itself for the first pass."""
    base = np.array([seed % 2**64], dtype=np.uint64)
    if salt:
        base = splitmix64(base ^ np.uint64(salt))
    return np.uint64(base[0])


def rarest(rows: np.ndarray, labels: np.ndarray, row_count: int, names: tuple[str, ...]) -> np.ndarray:
    """The stratum of each row: its globally rarest label, or the last stratum for a row without labels.

    `rows`, `labels`: one entry per row and distinct label in it (positions, indices into `names`).
    *Shape:* -> (row_count,), int64. Ties in frequency go to the label that sorts first.
    """
    frequency = np.bincount(labels, minlength=len(names))
    order = sorted(range(len(names)), key=lambda label: (frequency[label], names[label]))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    strata = np.full(row_count, len(names), dtype=np.int64)
    np.minimum.at(strata, rows, rank[labels])
    return strata
