"""What people decided about single children of a pool: kept, rejected, or edited. A file of them belongs to a pool."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from core.errors import CoreError
from core.formats.losses import Bad
from core.formats.records import lines_of, record_of
from core.params import CLOSED, build, canonical, canonical_json, digest
from core.tasks.example import spans, valid_iob2

Verdict = Literal["accepted", "rejected", "edited"]


@dataclass(frozen=True)
class Decision:
    """About one child. `child`: its id, in hex; `made`: what it was when somebody looked at it, see `mark`; `tokens`
    and `tags`: how an edited one reads."""

    __pydantic_config__ = CLOSED
    child: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    verdict: Verdict
    made: str = ""
    tokens: tuple[str, ...] = ()
    tags: tuple[str | None, ...] = field(default=())


Decisions = Mapping[bytes, Decision]  # by the child's id


def mark(tokens: Sequence[str], tags: Sequence[str | None]) -> str:
    """What tells whether a child is still the one that somebody decided about: where a method draws from other rows,
    too, another corpus may make another one under the same id."""
    return digest([[*tokens], [*tags]])[:16]


def read(path: Path, name: str) -> dict[bytes, Decision]:
    """The decisions of a file of JSON lines, the last one about each child. `name`: of the file, for messages.

    Raises CoreError: those of core.formats.text_lines, `bad_json`, `not_object`, those of params, `bad_decision`.
    """
    found: dict[bytes, Decision] = {}
    for line, text in lines_of(path, name):
        try:
            one = build(Decision, record_of(text), f"{name}:{line}")
            check(one)
        except Bad as error:
            raise CoreError(error.code, {"file": name, "line": line} | error.values) from None
        except CoreError as error:
            raise CoreError(error.code, {"file": name, "line": line} | error.values, error.hint_code) from None
        found[bytes.fromhex(one.child)] = one
    return found


def text_of(decisions: Iterable[Decision]) -> str:
    """The file of some decisions, the same whatever the order in which they were taken."""
    return "".join(canonical_json(canonical(one)) + "\n" for one in sorted(decisions, key=lambda one: one.child))


def check(decision: Decision, labels: Collection[str] | None = None) -> None:
    """Raises CoreError `bad_decision` for an edited child without words, with tags that aren't IOB2, or with labels
    that aren't among those given."""
    if decision.verdict != "edited":
        return
    whole = len(decision.tokens) == len(decision.tags) > 0 and all(token.strip() for token in decision.tokens)
    strange = sorted({span.label for span in spans(decision.tags)} - {*labels}) if labels is not None else []
    if strange:
        values = {"label": ", ".join(strange), "known": ", ".join(sorted(labels or ()))}
        raise CoreError("decision_label", values)
    if not whole or not valid_iob2(decision.tags):
        raise CoreError("bad_decision", {"child": decision.child[:16]})
