"""Editing a mix: one amount set anew, all amounts in another unit, what was edited before, and a mix in an address."""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from core.errors import CoreError
from core.mix import GOLD, Mix, Part, Unit, cap, plan
from core.params import Json, canonical
from core.project import mix_of
from core.report.composition import Composition, gold_passes

FARTHEST = 5.0  # times gold: as far as a slider goes
STEP = 0.05  # times gold
_EACH = 0.5  # times gold of every ingredient of a uniform mix
_KEPT = 100  # states of a history
_SIZE = 2  # times gold: the size of a mix that begins to have shares
_UNCAPPED = 1e18  # repeats that no pool falls short of
_SETTINGS = ("size", "max_repeats", "short", "seed", "draw_per_seed", "shots")
FEWEST_STEPS = 60  # with fewer, next to nothing is learned; 38 left gold only at F1 0, docs/results.md
_SEEN, _MOST = 20, 600  # times that gold is seen by default, and the most steps that this may take


@dataclass(frozen=True)
class History:
    """The states of a mix that is edited, the oldest first; `at` is the one in hand."""

    mixes: tuple[Mix, ...]
    at: int = 0

    @property
    def mix(self) -> Mix:
        return self.mixes[self.at]

    def edited(self, mix: Mix) -> "History":
        """With a new state in hand; what was undone is forgotten."""
        if mix == self.mix:
            return self
        mixes = (*self.mixes[: self.at + 1], mix)[-_KEPT:]
        return History(mixes, len(mixes) - 1)

    def moved(self, by: int) -> "History":
        """Undone (-1) or redone (1), as far as there is something."""
        return replace(self, at=min(max(self.at + by, 0), len(self.mixes) - 1))


def added(mix: Mix) -> dict[str, float]:
    """The amounts of what joins gold."""
    return {name: part.amount for name, part in mix.parts.items() if name != GOLD and part.amount > 0}


def absent(mix: Mix, pools: Mapping[str, int]) -> list[str]:
    """What a mix asks for and no pool holds."""
    return [name for name in added(mix) if not pools.get(name)]


def levelled(mix: Mix, pools: Mapping[str, int]) -> Mix:
    """The mix as it can be edited: what has a pool, in the mix's own unit and the order of the pools; gold in its own.

    `pools`: rows per ingredient, gold first. Raises CoreError as core.mix.plan does.
    """
    parts = {name: part for name, part in mix.parts.items() if name == GOLD or (part.amount > 0 and pools.get(name))}
    units = {part.unit or mix.unit for name, part in parts.items() if name != GOLD}
    gold = parts.get(GOLD)
    if not units:
        return _with(replace(mix, size=None, parts={}), {}, pools, gold and _gold_part(gold, mix, pools))
    left = replace(mix, parts=parts)
    if "share" in units:
        left = _whole_again(left)
    if units == {mix.unit} and (gold is None or (gold.unit or mix.unit) == "times_gold"):
        return _with(left, added(left), pools, gold and Part(gold.amount, "times_gold"))
    return converted(left, mix.unit, pools)


def converted(mix: Mix, unit: Unit, pools: Mapping[str, int]) -> Mix:
    """The same rows, asked for in another unit. Raises CoreError as core.mix.plan does."""
    rows = requested(mix, pools)
    gold = Part(_per(rows[GOLD], pools[GOLD]), "times_gold") if GOLD in mix.parts else None
    wanted = {name: n for name, n in rows.items() if name != GOLD and n}
    total = sum(wanted.values())
    amounts = {name: _amount(n, unit, pools[GOLD], total) for name, n in wanted.items()}
    size = total + rows[GOLD] if unit == "share" and wanted else None
    return _with(replace(mix, unit=unit, size=size, parts={}), amounts, pools, gold)


def with_amount(mix: Mix, name: str, amount: float, pools: Mapping[str, int], held: Collection[str] = ()) -> Mix:
    """The mix with another amount of one ingredient; shares of the others give way, so that all add up to 1, but for
    those that are held."""
    amounts = added(mix) | {name: amount}
    if mix.unit != "share":
        return _with(mix, amounts, pools, mix.parts.get(GOLD))
    kept = {other: share for other, share in amounts.items() if other != name and other in held}
    others = {other: share for other, share in amounts.items() if other != name and other not in held}
    rest, room = sum(others.values()), max(0.0, 1 - sum(kept.values()))
    share = min(amount, room) if rest else room * (amount > 0 or bool(kept))
    amounts = kept | {other: part * (room - share) / rest for other, part in others.items()} | {name: share}
    if not any(amounts.values()):
        return _with(replace(mix, size=None), {}, pools, mix.parts.get(GOLD))
    return _with(replace(mix, size=mix.size or _SIZE * pools[GOLD]), amounts, pools, mix.parts.get(GOLD))


def spelled_out(mix: Mix, pools: Mapping[str, int]) -> Mix:
    """The mix with a part for every pool, of nothing where it asks for nothing: all are told of, none is drawn more."""
    none = Part(0.0, "times_gold")
    gold = {GOLD: mix.parts[GOLD]} if GOLD in mix.parts else {}
    return replace(mix, parts=gold | {name: mix.parts.get(name, none) for name in pools if name != GOLD})


def without_additions(mix: Mix) -> Mix:
    """Whole gold and nothing else, under the same settings."""
    return replace(mix, size=None, parts={})


def uniform(mix: Mix, pools: Mapping[str, int]) -> Mix:
    """Half as much as gold of every ingredient that has rows, in the mix's unit. Raises CoreError as plan does."""
    amounts = {name: _EACH for name, rows in pools.items() if name != GOLD and rows}
    return converted(_with(replace(mix, unit="times_gold", size=None), amounts, pools, None), mix.unit, pools)


def requested(mix: Mix, pools: Mapping[str, int]) -> dict[str, int]:
    """Rows asked for, whatever the pools hold. Raises CoreError as core.mix.plan does."""
    return plan(replace(mix, short="shrink", max_repeats=_UNCAPPED), pools)


def limit(mix: Mix, name: str, pools: Mapping[str, int]) -> float:
    """The most that the pool of an ingredient can deliver, in the mix's unit; 1 where that is a share."""
    most = cap(mix.max_repeats, pools[name])
    return 1.0 if mix.unit == "share" else _amount(most, mix.unit, pools[GOLD], most)


def end(mix: Mix, name: str, pools: Mapping[str, int]) -> float:
    """Where the slider of an ingredient ends, in the mix's unit: never short of the amount asked for."""
    if mix.unit == "share":
        return 1.0
    farthest, step = (FARTHEST, STEP) if mix.unit == "times_gold" else (FARTHEST * pools[GOLD], 1.0)
    whole = math.ceil(round(min(farthest, limit(mix, name, pools)) / step, 6)) * step
    return round(max(whole, step, added(mix).get(name, 0.0)), 9)


def compact(mix: Mix) -> dict[str, str]:
    """A mix as values for an address, by name: `m` amounts, `u` unit, `w` settings other than their defaults."""
    parts = {GOLD: mix.parts.get(GOLD, Part(1.0, "times_gold"))} | mix.parts
    amounts = "~".join(f"{_quoted(name)}*{part.amount:.12g}" for name, part in parts.items())
    settings = {name: value for name, value in canonical(mix).items() if name in _SETTINGS}
    return {"m": amounts, "u": mix.unit, "w": "~".join(f"{k}*{_told(v)}" for k, v in settings.items())}


def expanded(address: Mapping[str, str]) -> Mix:
    """The mix that `compact` wrote. Raises CoreError `mix_address` for anything else."""
    try:
        amounts = {unquote(name): float(amount) for name, amount in _pairs(address.get("m", ""))}
        parts: dict[str, Any] = {name: {"amount": amount} for name, amount in amounts.items() if name != GOLD}
        if amounts.get(GOLD, 1.0) != 1.0:
            parts[GOLD] = {"amount": amounts[GOLD], "unit": "times_gold"}
        settings = {name: _read(value) for name, value in _pairs(address.get("w", "")) if name in _SETTINGS}
        return mix_of({"unit": address.get("u") or "times_gold", "parts": parts} | settings)
    except (ValueError, CoreError):
        raise CoreError("mix_address", {}, "hint_mix_address") from None


def default_steps(gold: Composition, batch_tokens: int, subwords_per_word: float) -> int:
    """Steps in which a training on gold alone sees it about 20 times: from 60 to 600, in tens."""
    each = gold_passes(gold, 1, batch_tokens, subwords_per_word)
    return min(max(math.ceil(_SEEN / each / 10) * 10, FEWEST_STEPS), _MOST) if each else FEWEST_STEPS


def _with(mix: Mix, amounts: Mapping[str, float], pools: Mapping[str, int], gold: Part | None) -> Mix:
    """The mix with these amounts, in the order of the pools; none of them is 0."""
    whole = gold is None or gold == Part(1.0, "times_gold")
    parts = {} if gold is None or whole else {GOLD: gold}
    return replace(mix, parts=parts | {n: Part(amounts[n]) for n in pools if n != GOLD and amounts.get(n)})


def _gold_part(gold: Part, mix: Mix, pools: Mapping[str, int]) -> Part:
    """Gold's part in times gold; a share of a mix that has nothing else is all of it."""
    unit = gold.unit or mix.unit
    return Part(_per(gold.amount, pools[GOLD]) if unit == "rows" else gold.amount, "times_gold")


def _whole_again(mix: Mix) -> Mix:
    """Shares that add up to 1 again after parts were left out."""
    shares = {name: part for name, part in mix.parts.items() if (part.unit or mix.unit) == "share"}
    total = sum(part.amount for part in shares.values())
    return replace(mix, parts=mix.parts | {n: replace(p, amount=p.amount / total) for n, p in shares.items()})


def _amount(rows: int, unit: Unit, gold: int, total: int) -> float:
    """Rows in a unit; `total`: the rows that shares divide."""
    if unit == "rows":
        return float(rows)
    return _per(rows, gold if unit == "times_gold" else total)


def _per(rows: float, of: int) -> float:
    return rows / of if of else 0.0


def _quoted(name: str) -> str:
    return re.sub(r"[%~*]", lambda found: f"%{ord(found[0]):02X}", name)


def _pairs(text: str) -> list[tuple[str, str]]:
    """`name*value~name*value`; a name holds neither sign. ValueError for anything else."""
    found = [part.split("*") for part in text.split("~") if part]
    return [(name, value) for name, value in found]


def _told(value: Json) -> str:
    """What `_read` reads back."""
    return value if isinstance(value, str) else json.dumps(value)


def _read(value: str) -> Any:
    """A number, true, false, or a word."""
    try:
        return json.loads(value)
    except ValueError:
        return value
