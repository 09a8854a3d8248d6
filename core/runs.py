"""A run: what was asked (RunSpec), where it stands (State), and what its code is given (RunContext)."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

_FOLDERS = {"file": "files", "corpus": "corpora", "model": "models", "run": "runs"}
_KEPT = re.compile(r"((?:file|model):[0-9a-f]{64})(/.*)?", re.DOTALL)
State = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]
ACTIVE: frozenset[State] = frozenset({"queued", "running"})
POOL = "pool:"  # roles of ingredients among a run's inputs: pool:NAME
TEXT = "text:"  # the role of text without labels, that consistency or a language is learned from: text:NAME
PARAM = "param:"  # roles of what a method's params name: param:NAME
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
MOVES: frozenset[tuple[State | None, State]] = frozenset(  # every change of state there is; queued to queued: moved
    {
        (None, "succeeded"),  # taken in with a sample or an archive
        *((None, "queued"), ("queued", "queued"), ("queued", "running"), ("queued", "cancelled")),
        *(("running", "succeeded"), ("running", "failed"), ("running", "cancelled"), ("running", "interrupted")),
        *(("failed", "queued"), ("cancelled", "queued"), ("interrupted", "queued"), ("interrupted", "cancelled")),
    }
)


@dataclass(frozen=True)
class Kind:
    """One kind of run: its code, the class of its params, and the version of its behaviour (part of the id)."""

    function: str  # "module:function", called with a RunContext in the trainer process
    params: str  # "module:Class"
    behaviour_version: int
    slot: Literal["train", "light", "wait"] = "light"  # kinds of different slots don't wait for each other
    shares: bool = False  # its runs may be carried out one after another by one process, which starts up only once


KINDS: Mapping[str, Kind] = {
    "import": Kind("core.formats.importing:run", "core.formats.importing:ImportParams", 1),
    "augment": Kind("core.augment.pool:run", "core.augment.pool:AugmentParams", 1),
    "train": Kind("core.training.train:run", "core.training.train:TrainRunParams", 2, "train", True),
    "evaluate": Kind("core.training.train:evaluate", "core.training.train:EvaluateParams", 1, "train", True),
    "pretrain": Kind("core.training.pretrain:run", "core.training.pretrain:PretrainParams", 1, "train"),
    "robustness": Kind("core.robustness:run", "core.robustness:RobustnessParams", 1, "train"),
    "features": Kind("core.training.features:run", "core.training.features:FeaturesParams", 1, "train"),
    "forecast": Kind("core.forecast.preparing:run", "core.forecast.preparing:ForecastParams", 1, "train"),
    "label_next": Kind("core.forecast.choosing:run", "core.forecast.choosing:ChoosingParams", 1),
    "reasons": Kind("core.reasons.reading:run", "core.reasons.reading:ReasonsParams", 1),
    "sequence": Kind("core.continual.sequence:run", "core.continual.chain:SequenceParams", 1, "train", True),
    "model_export": Kind("core.model_export:run", "core.model_export:ModelExportParams", 1),
    "track": Kind("core.trackers.sending:run", "core.trackers.sending:TrackParams", 1),
    "export": Kind("core.archive.export:run", "core.archive.export:ExportParams", 1),
    "unpack": Kind("core.archive.unpack:run", "core.archive.unpack:UnpackParams", 1),
    "clean": Kind("core.care.cleaning:run", "core.care.cleaning:CleanParams", 1),
    "doctor": Kind("core.care.mending:run", "core.care.mending:DoctorParams", 1),
    "settle": Kind("core.settle:run", "core.settle:SettleParams", 1, "wait"),
    "tune": Kind("core.tune:run", "core.tune:TuneParams", 1, "wait"),
    "search": Kind("core.mix_rounds:run", "core.mix_search:SearchParams", 1, "wait"),
    "selftest": Kind("core.jobs.selftest:run", "core.jobs.selftest:SelftestParams", 1),
}


def located(value: str) -> str:
    """`file:SHA`, `corpus:ID`, `model:IDENTITY`, `run:ID` as a path relative to the workspace."""
    kind, _, name = value.partition(":")
    return f"{_FOLDERS[kind]}/{name}" + (".arrow" if kind == "corpus" else "")


def kept(value: str) -> str | None:
    """`file:SHA` or `model:IDENTITY` of what the workspace keeps, without the name that may follow after a slash; None
    for any other text."""
    found = _KEPT.fullmatch(value)
    return found[1] if found else None


@dataclass(frozen=True)
class RunSpec:
    """What is to be done. Its id is the run's id: the same spec is the same run."""

    kind: str
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])  # role -> sha256 of a file, corpus, model, run id
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])  # JSON that omits defaults
    repeat: int = 0  # > 0: a deliberate replicate

    @property
    def id(self) -> str:
        """The first 16 hex digits of the sha256 of the canonical JSON with the kind's behaviour version."""
        data = self.to_json() | {"behaviour_version": KINDS[self.kind].behaviour_version}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": self.kind, "inputs": dict(self.inputs), "params": dict(self.params)}
        return data | ({"repeat": self.repeat} if self.repeat else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunSpec":
        return cls(data["kind"], data["inputs"], data["params"], data.get("repeat", 0))


class RunContext(Protocol):
    """What the code of a run is given by the process that carries it out."""

    @property
    def root(self) -> Path: ...  # the workspace; a run reads and writes nothing outside it

    @property
    def folder(self) -> Path: ...  # runs/<id>

    @property
    def spec(self) -> RunSpec: ...

    @property
    def resolved(self) -> Mapping[str, Any]: ...  # resolved.json: where the inputs lie, precision, threads

    @property
    def attempt(self) -> int: ...  # from 1

    @property
    def halvings(self) -> int: ...  # times the batch is to be halved, because the GPU's memory was full

    def input(self, role: str) -> Path:
        """The file or folder of an input, absolute."""
        ...

    def metric(self, **values: float | int | str | None) -> None:
        """Append one line to metrics-<attempt>.jsonl; `step` must not decrease."""
        ...

    def note(self, text: str) -> None:
        """One line for the run's log."""
        ...

    def check_cancelled(self) -> None:
        """Raise Cancelled once somebody has asked for it; call it at every step."""
        ...

    def point(self, name: str) -> None:
        """A named point at which a fault test may kill the process; otherwise nothing."""
        ...

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json: what the run delivers, JSON-able."""
        ...


class Cancelled(Exception):
    """Raised inside a run whose cancellation was asked for."""


class Turn(Protocol):
    """What the code that answers a request to the warm process is given: a client waits, and not for ever."""

    def check(self) -> None:
        """Raise where nobody waits any more; call it between two units of work, each shorter than a second or so."""
        ...

    def loading(self) -> AbstractContextManager[None]:
        """Around what stays loaded for later requests: it may take long, and is finished even if the client goes."""
        ...
