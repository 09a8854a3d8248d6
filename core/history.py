"""A run's history in words: what its events say, as codes of the catalogue and their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError, Value, message
from core.jobs.folder import events
from core.jobs.run import BACK_OFF


@dataclass(frozen=True)
class Told:
    """One thing that happened. `time`: unix seconds; `why`: the error behind it; `then`: what follows from it."""

    time: float
    code: str
    values: Mapping[str, Value]
    why: CoreError | None = None
    then: tuple[str, Mapping[str, Value]] | None = None

    def words(self, language: str) -> str:
        """The whole of it in sentences, as it is."""
        said = [(self.code, self.values)]
        if self.why is not None:
            said.append((self.why.code, self.why.values))
        if self.then is not None:
            said.append(self.then)
        return ("" if language == "zh_CN" else " ").join(message(code, values, language) for code, values in said)


def told(folder: Path) -> list[Told]:
    """What happened to a run, oldest first."""
    out: list[Told] = []
    before: Mapping[str, Any] | None = None
    for event in events(folder):
        run = event.get("run")
        if isinstance(run, dict) and "to" in event:
            out.append(_told(event, before, run))
            before = run
    return out


def _told(event: Mapping[str, Any], before: Mapping[str, Any] | None, run: Mapping[str, Any]) -> Told:
    when, state = float(event.get("t", 0.0)), str(event["to"])
    if state == "queued":
        return Told(when, *_queued(before, run))
    if state == "running":
        return Told(when, "event_started", {"attempt": run.get("attempt"), "slot": run.get("slot") or "-"})
    if before is None:
        return Told(when, "event_taken_in", {})
    error = CoreError.from_json(run["error"]) if run.get("error") else None
    score = run.get("score")
    if state == "succeeded" and isinstance(score, float):
        return Told(when, "event_succeeded_score", {"percent": f"{100 * score:.1f}"})
    return Told(when, f"event_{state}", {}, error, _goes_on(run) if state == "interrupted" else None)


def _queued(before: Mapping[str, Any] | None, run: Mapping[str, Any]) -> tuple[str, Mapping[str, Value]]:
    """Why a run waits: it is new, somebody asked again, its back-off is over, or it was moved in the line."""
    if before is None:
        return "event_queued", {}
    if before.get("state") == "queued":
        first = int(run.get("position", 0)) < int(before.get("position", 0))
        return ("event_moved_first" if first else "event_moved_last"), {}
    if before.get("submitted") != run.get("submitted"):
        return "event_asked_again", {}
    return "event_goes_on", {}


def _goes_on(run: Mapping[str, Any]) -> tuple[str, Mapping[str, Value]] | None:
    if run.get("due_at") is None:
        return None
    if (run.get("error") or {}).get("code") == "batch_halved":
        return "event_at_once", {}
    times = int(run.get("resumes", 1))
    wait = BACK_OFF[min(times, len(BACK_OFF)) - 1]
    return "event_waits", {"seconds": round(wait), "times": times, "most": len(BACK_OFF)}
