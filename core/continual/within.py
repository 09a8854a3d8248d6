"""A run's context for one of several trainings that it carries out: a folder of its own, and steps that count on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.runs import RunContext, RunSpec


@dataclass(frozen=True)
class Within:
    """A RunContext. `before`: optimiser steps of the trainings before."""

    whole: RunContext
    folder: Path
    before: int

    @property
    def root(self) -> Path:
        return self.whole.root

    @property
    def spec(self) -> RunSpec:
        return self.whole.spec

    @property
    def resolved(self) -> Mapping[str, Any]:
        return self.whole.resolved

    @property
    def attempt(self) -> int:
        return self.whole.attempt

    @property
    def halvings(self) -> int:
        return self.whole.halvings

    def input(self, role: str) -> Path:
        return self.whole.input(role)

    def metric(self, **values: float | int | str | None) -> None:
        step = values.get("step")
        counted = {"step": self.before + step} if isinstance(step, int) else {}
        self.whole.metric(**(values | counted))

    def note(self, text: str) -> None:
        self.whole.note(text)

    def check_cancelled(self) -> None:
        self.whole.check_cancelled()

    def point(self, name: str) -> None:
        self.whole.point(name)

    def finish(self, result: Mapping[str, Any]) -> None:
        self.whole.finish(result)
