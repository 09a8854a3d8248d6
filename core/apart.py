"""What sets two groups of runs apart: everything that was asked for and settled, as far as it isn't the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from core.groups import Group
from core.jobs.folder import read_object
from core.mix import GOLD, Part
from core.runs import POOL, TEXT
from core.workspace import Workspace

Kind = Literal["asked", "rows", "data", "mix", "train", "labels", "machine", "version", "repeats"]
Value = str | int | float | bool | Part | None  # None: there is no such thing
_MIX = ("unit", "size", "max_repeats", "short", "seed", "draw_per_seed", "shots")
_MACHINE = ("device", "precision", "threads", "cpu_flags")
_OF_ID = 8  # characters of a corpus or of a model that tell it from others
_Told = dict[tuple[Kind, str], Value]


@dataclass(frozen=True)
class Setting:
    """One thing that differs.

    `name`: an ingredient's (asked: its part of the mix; rows: sentences drawn of it; data: also dev and test), or what
    it is called in recipes and in resolved.json. What the runs of a group don't agree in is one text, "a, b".
    """

    kind: Kind
    name: str
    baseline: Value
    other: Value


@dataclass(frozen=True)
class Apart:
    """What differs, and how many settings are the same."""

    settings: tuple[Setting, ...]
    same: int


def apart(workspace: Workspace, baseline: tuple[Group, Sequence[str]], other: tuple[Group, Sequence[str]]) -> Apart:
    """Two groups, each with the ids of the runs that count.

    The sentences of an ingredient that only one of them draws from are told by its rows alone.
    """
    left, right = (_told(workspace, group, runs) for group, runs in (baseline, other))
    names = [name for name in {**left, **right} if name[0] != "data" or (name in left and name in right)]
    found = [Setting(*name, left.get(name), right.get(name)) for name in names]
    differ = tuple(one for one in found if one.baseline != one.other)
    return Apart(differ, len(found) - len(differ))


def _told(workspace: Workspace, group: Group, runs: Sequence[str]) -> _Told:
    folders = [workspace.run_folder(run) for run in runs]
    specs = [read_object(folder / "spec.json") or {} for folder in folders]
    return {
        **_asked(group),
        **_drawn(folders, specs),
        **{("mix", name): getattr(group.mix, name) for name in _MIX},
        **{("train", one.name): getattr(group.train, one.name) for one in fields(group.train)},
        **_given(group, specs),
        **_settled(folders),
        ("repeats", "number"): len(runs),
        ("repeats", "seeds"): _all(spec.get("params", {}).get("seed") for spec in specs),
    }


def _asked(group: Group) -> _Told:
    """Each ingredient as it was asked for, in its own unit."""
    asked = {name: Part(amount, unit) for name, (amount, unit) in group.mix.requested().items() if amount}
    return {("asked", name): part for name, part in asked.items()}


def _drawn(folders: Sequence[Path], specs: Sequence[Mapping[str, Any]]) -> _Told:
    """The sentences that the runs drew of each ingredient; of runs that didn't say so, those that were planned."""
    rows: list[Mapping[str, int]] = []
    for folder, spec in zip(folders, specs, strict=True):
        parts = spec.get("params", {}).get("mix", {}).get("parts", {})
        planned = {name: int(part["amount"]) for name, part in parts.items()}
        rows.append((read_object(folder / "result.json") or {}).get("rows", planned))
    names = {name: None for one in rows for name, count in one.items() if count or name == GOLD}
    return {("rows", name): _all(one.get(name, 0) for one in rows) for name in names}


def _given(group: Group, specs: Sequence[Mapping[str, Any]]) -> _Told:
    """What the runs were given: sentences and weights, told by their content; labels, and what is masked."""
    out: _Told = {("data", split): corpus[:_OF_ID] for split, corpus in group.corpora.items()}
    roles = {role: None for spec in specs for role in sorted(spec.get("inputs", {}))}
    for role in roles:
        ids = _all(spec["inputs"].get(role, "-").rpartition(":")[2][:_OF_ID] for spec in specs)
        if role == GOLD or role.startswith((POOL, TEXT)):
            out["data", role if role == GOLD else role.partition(":")[2]] = ids
        elif role == "model":
            out["train", "weights"] = ids
    for name in ("labels", "mask_outside"):
        out["labels", name] = _all(", ".join(spec.get("params", {}).get(name, ())) for spec in specs)
    return out


def _settled(folders: Sequence[Path]) -> _Told:
    """Machine and software of the runs, as far as that was kept."""
    kept = [_as_run(folder) for folder in folders]
    packages = {name: None for one in kept for name in one.get("versions", {})}
    return {
        **{("machine", name): _all(one.get(name) for one in kept) for name in _MACHINE},
        **{("version", name): _all(one.get("versions", {}).get(name) for one in kept) for name in packages},
    }


def _as_run(folder: Path) -> Mapping[str, Any]:
    """What a run was settled to, with the versions that carried it out, where it has noted them."""
    done = read_object(folder / "result.json") or {}
    return (read_object(folder / "resolved.json") or {}) | {name: done[name] for name in done.keys() & {"versions"}}


def _all(values: Any) -> Value:
    """What the runs agree in, or all that occurs, in order."""
    found = list(dict.fromkeys(values))
    if len(found) < 2:
        return found[0] if found else None
    return ", ".join("-" if value is None else str(value) for value in found)
