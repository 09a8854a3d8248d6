"""The JSON of an archive: what each document must be before anything in Peibi reads it.

Whatever later becomes a path (ids of corpora, runs, models) is checked to be one; specs, params, mixes and settings
go through the classes that their own code is given.
"""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from core.archive.entries import LARGEST_JSON, LONGEST_LINE
from core.errors import Action, CoreError, Value
from core.formats.importing import Source, Split
from core.formats.protocol import Layout
from core.jobs.folder import Run
from core.models import started
from core.models.catalogue import BUNDLED, HUB_ID
from core.models.endpoints import name_of
from core.params import build, digest, slug
from core.project import mix_of
from core.prompting.prompted import Told as Asked
from core.runs import KINDS, RunSpec, kept
from core.sources import Gold, check_roles
from core.tasks import DEFAULT
from core.tasks import task as task_of
from core.training.settings import TrainParams

Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Time = Annotated[float, Field(ge=0, le=1e12)]
_Input = Annotated[str, Field(pattern="^((file|corpus|model):[0-9a-f]{64}|run:[0-9a-f]{16})$")]
_MOST_PARTS = 400_000  # objects and lists in one document: what makes a small text large in memory
_MOST_VERSIONS = 100  # of one kind's behaviour: how many are tried
_NUMBERS = ("t", "step", "loss", "dev", "lr", "rows", "total")  # of a line of metrics
_BESIDE = re.compile(r"\./[\w][\w.-]*")  # how a model of a folder is called in an archive


@dataclass(frozen=True)
class Spec:
    kind: Literal["import", "augment", "train", "evaluate"]
    inputs: dict[str, _Input]
    params: dict[str, Any]
    repeat: Count = 0


@dataclass(frozen=True)
class Resolved:
    inputs: dict[str, str]
    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    threads: Annotated[int, Field(ge=1, le=4096)]
    cpu_flags: Annotated[str, Field(max_length=1000)]
    versions: dict[str, Annotated[str, Field(max_length=100)]]


@dataclass(frozen=True)
class Ended:
    """What an archive says of a run, in a run.json of its own. Only runs that succeeded are archived."""

    id: RunId
    kind: str
    state: Literal["succeeded"]
    attempt: Count
    submitted: Time
    started: Time | None = None
    ended: Time | None = None


@dataclass(frozen=True)
class Told:
    file: str
    row: int | None
    column: str | None
    code: str
    values: dict[str, Value]
    action: Action


@dataclass(frozen=True)
class Imported:
    corpora: dict[str, Hash]
    rows: dict[str, Count]
    rows_in: dict[str, Count]
    layouts: dict[str, Layout]
    labels: dict[str, list[str]]
    covered: dict[str, list[str]]
    first_rows: dict[str, dict[str, int]]
    issues: list[Told]


@dataclass(frozen=True)
class Pool:
    corpus: Hash
    rows: Count
    rejected: dict[str, Count]
    issues: list[Told]


@dataclass(frozen=True)
class Trained:
    steps: Count
    rows: dict[str, Count]
    best_step: Count
    best_dev: Share
    unknown_words: Share = 0.0
    truncated_words: Count = 0
    prompted: Asked | None = None


@dataclass(frozen=True)
class Evaluated:
    models: Count
    prompted: dict[RunId, Asked] = field(default_factory=dict[RunId, Asked])


RESULTS: Mapping[str, type[Imported | Pool | Trained | Evaluated]] = {
    "import": Imported,
    "augment": Pool,
    "train": Trained,
    "evaluate": Evaluated,
}


@dataclass(frozen=True)
class Named:
    """What corpus:NAME means."""

    sources: dict[Literal["train", "dev", "test", "file"], Source]
    inputs: dict[str, Annotated[str, Field(pattern="^file:[0-9a-f]{64}$")]]
    split: Split | None = None
    train_rows: Annotated[int, Field(ge=1)] | None = None
    task: str = DEFAULT


@dataclass(frozen=True)
class Launch:
    """A line of a project's history that says which runs are a group."""

    time: Time
    group: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    mix: str
    asked: dict[str, Any]
    train: dict[str, Any]
    corpora: dict[Literal["dev", "test"], Hash]
    seeds: dict[RunId, Count]


@dataclass(frozen=True)
class Look:
    """A line of a project's history that says that test was looked at."""

    time: Time
    split: str = "test"
    groups: list[str] = field(default_factory=list[str])
    runs: list[str] = field(default_factory=list[str])


def wrong(name: str, what: str) -> CoreError:
    return CoreError("archive_document", {"name": name, "what": what}, "hint_archive")


def read(folder: Path, name: str) -> dict[str, Any]:
    """A document read whole. Raises CoreError `archive_document`."""
    path = folder / name
    if not path.is_file():
        raise wrong(name, "missing")
    data = path.read_bytes()
    if len(data) > LARGEST_JSON or data.count(b"{") + data.count(b"[") > _MOST_PARTS:
        raise wrong(name, "too large")
    return _object(data, name)


def lines(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON Lines; an unfinished last line is left out. Raises CoreError `archive_document`."""
    if not (folder / name).is_file():
        return
    with (folder / name).open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise wrong(name, "too long a line")
            if line.endswith(b"\n") and line.strip():
                yield _object(line, name)


def _object(data: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise wrong(name, f"no JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise wrong(name, "no JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _no_number(text: str) -> float:
    raise ValueError(text)


def spec_of(data: Mapping[str, Any], id: str, behaviours: Mapping[str, int], name: str) -> RunSpec:
    """A spec that is that of the run `id`, with params that its kind knows. Raises CoreError `archive_document`."""
    found = _built(Spec, data, name)
    spec = RunSpec(found.kind, found.inputs, found.params, found.repeat)
    data = spec.to_json()  # a run may be older than the program that wrote the archive
    versions = range(1, min(behaviours[spec.kind], _MOST_VERSIONS) + 1)
    if id not in (digest(data | {"behaviour_version": version})[:16] for version in versions):
        raise wrong(name, "not the spec of this run")
    module, _, params = KINDS[spec.kind].params.partition(":")
    _built(getattr(importlib.import_module(module), params), spec.params, name)
    return spec


def resolved_of(data: Mapping[str, Any], located: Mapping[str, str], name: str) -> dict[str, Any]:
    """A resolved.json whose inputs lie where those of the spec do. Raises CoreError `archive_document`."""
    found = _built(Resolved, data, name)
    if found.inputs != located:
        raise wrong(name, "inputs that are not those of the spec")
    return asdict(found)


def run_of(data: Mapping[str, Any], id: str, kind: str, name: str) -> Run:
    """The run as its row will have it. Raises CoreError `archive_document`."""
    found = _built(Ended, data, name)
    if (found.id, found.kind) != (id, kind):
        raise wrong(name, "not of this run")
    times = {"submitted": found.submitted, "started": found.started, "ended": found.ended}
    return Run(id=id, kind=kind, state="succeeded", attempt=found.attempt, position=0, **times)


def result_of(data: Mapping[str, Any], kind: str, name: str) -> Imported | Pool | Trained | Evaluated:
    """What a run of this kind delivers. Raises CoreError `archive_document`."""
    return _built(RESULTS[kind], data, name)


def check_metrics(folder: Path, name: str) -> None:
    """Raises CoreError `archive_document` where a line of metrics holds anything but what is drawn."""
    for line in lines(folder, name):
        numbers = all(isinstance(line.get(key, 0), int | float | None) for key in _NUMBERS)
        if not numbers or not all(isinstance(value, str | int | float | None) for value in line.values()):
            raise wrong(name, "a line that is no metrics")


def gold_of(name: str, data: Any, where: str) -> Gold:
    """What a name of labelled data means. Raises CoreError `archive_document`."""
    if name != slug(name) or not isinstance(data, dict):
        raise wrong(where, name[:80])
    found = _built(Named, data, where)
    try:
        check_roles(found.sources)
        task_of(found.task)
    except CoreError as error:
        raise wrong(where, str(error)) from None
    if set(found.sources) != set(found.inputs):
        raise wrong(where, name[:80])
    return Gold(found.sources, found.inputs, found.split, found.train_rows, found.task)


def check_event(event: Mapping[str, Any], name: str) -> None:
    """One line of a project's history. Raises CoreError `archive_document`."""
    kind, when = event.get("event"), event.get("time")
    if not isinstance(kind, str) or not isinstance(when, int | float):
        raise wrong(name, "a line that is no event")
    if kind == "look":
        _built(Look, event, name)
    if kind != "launch":
        return
    found = _built(Launch, event, name)
    train = _built(TrainParams, found.train, name)
    check_models(train, name)
    try:
        mix_of(found.asked)
    except (CoreError, AttributeError, TypeError) as error:
        raise wrong(name, f"mix: {error}") from None


def model_name(name: str) -> str:
    """What a model is called in an archive: a folder of this machine says nothing elsewhere but its last name."""
    if name in BUNDLED or started.run_of(name) or HUB_ID.fullmatch(name) or _BESIDE.fullmatch(name):
        return name
    last = re.sub(r"[^\w.-]", "-", Path(name).name)
    return f"./{last}" if _BESIDE.fullmatch(f"./{last}") else "./model"


def writer_name(name: str) -> str:
    """The same of a language model that is asked: an endpoint, or what a workspace keeps, is called as it is."""
    return model_name(name) if name_of(name) is None and kept(name) is None else name


def portable(train: TrainParams) -> TrainParams:
    """Settings without the folders of this machine."""
    prompt = None if train.prompt is None else replace(train.prompt, model=writer_name(train.prompt.model))
    return replace(train, model=model_name(train.model), prompt=prompt)


def check_models(train: TrainParams, where: str) -> None:
    """Raises CoreError `archive_document` for a model's name that could be any folder."""
    if portable(train) != train:
        names = [train.model, *([] if train.prompt is None else [train.prompt.model])]
        raise wrong(where, f"model: {', '.join(names)[:80]}")


def _built(cls: type[Any], data: Mapping[str, Any], name: str) -> Any:
    try:
        return build(cls, data, cls.__name__.casefold())
    except CoreError as error:
        raise wrong(name, str(error)) from None
