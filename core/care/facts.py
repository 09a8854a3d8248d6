"""What a run's spec and result say about where it belongs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.groups import group_id
from core.jobs.folder import read_object
from core.runs import RunSpec


@dataclass(frozen=True)
class Facts:
    """`refs`: what a run reads (file:SHA, corpus:ID, model:IDENTITY, run:ID); `made`: ids of the corpora it made."""

    kind: str
    refs: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    group: str = ""  # what the repeats of one mix share, see core.groups
    best: float | None = None  # F1 on dev of a training

    def reads(self, kind: str) -> list[str]:
        """The ids among `refs` of one kind, such as "corpus"."""
        return [ref[len(kind) + 1 :] for ref in self.refs if ref.startswith(f"{kind}:")]


def facts(folder: Path) -> Facts | None:
    """The facts of a run folder; None where it holds no readable spec."""
    data = read_object(folder / "spec.json")
    try:
        spec = RunSpec.from_json(data or {})
        refs = tuple(dict.fromkeys(str(value) for value in spec.inputs.values()))
        group = group_id(spec) if spec.kind == "train" else ""
    except (KeyError, AttributeError, TypeError):
        return None
    result = read_object(folder / "result.json") or {}
    best = result.get("best_dev")
    return Facts(spec.kind, refs, made_by(result), group, best if isinstance(best, float) else None)


def made_by(result: dict[str, Any]) -> tuple[str, ...]:
    """The ids of the corpora that a result speaks of."""
    many = result.get("corpora")
    found = list(many.values()) if isinstance(many, dict) else []
    found += [result["corpus"]] if "corpus" in result else []
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str)))
