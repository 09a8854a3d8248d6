"""Requests about the warm process itself: who it is, and what it does when something goes wrong in it."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from core.jobs.warm import pieces
from core.params import CLOSED, build
from core.runs import Turn

_UNIT = 0.01  # seconds
_kept: list[bytes] = []


@dataclass(frozen=True)
class SelftestRequest:
    """What to do, and what goes wrong in it."""

    __pydantic_config__ = CLOSED
    seconds: Annotated[float, Field(ge=0)] = 0.0  # of work
    # whether it looks after each unit of work if anybody waits, works in a loop that never does, holds the
    # interpreter's lock for good, or loads something that stays
    work: Literal["units", "loop", "hold_gil", "load"] = "units"
    bytes: Annotated[int, Field(ge=0)] = 0  # of memory
    keep: bool = False  # that memory


def ping(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """Who answers, and how many pieces it has yet to load."""
    return {"pid": os.getpid(), "left": pieces.left()}


def selftest(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """The warm process's fault tests. -> {"units"}"""
    asked = build(SelftestRequest, request, "selftest")
    taken = b"\1" * asked.bytes
    if asked.keep:
        _kept.append(taken)
    if asked.work == "hold_gil":
        re.match(r"(a|a)*b", "a" * 64)
    if asked.work == "load":
        with turn.loading():
            return {"units": _worked(asked.seconds, None)}
    return {"units": _worked(asked.seconds, turn if asked.work == "units" else None)}


def _worked(seconds: float, turn: Turn | None) -> int:
    """Work for so long. -> in how many units"""
    end, units = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if turn is not None:
            turn.check()
            time.sleep(_UNIT)
        units += 1
    return units
