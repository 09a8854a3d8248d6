"""A workspace with many finished trainings, made from the sample's without training anything."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import corpus as corpora
from core import project as projects
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.groups import LAUNCH, group_id
from core.jobs.folder import EVENTS, Run, read_json
from core.runs import RunSpec, State
from core.sample import open_sample
from core.tasks.tagging import TABLE
from core.training import predictions
from core.workspace import Workspace
from tests.invariants import slots

Tags = Sequence[Sequence[str]]

SAMPLE = "newsroom"
_SHARED = ("resolved.json", "metrics-1.jsonl")  # files of a run that its likes may share, besides predictions
_WORDS = ("swaps", "synonyms", "harbour news", "archive", "a bit of all")


def fill(
    workspace: Workspace, names: Sequence[str], groups: int, repeats: int, odd: Mapping[int, State] | None = None
) -> None:
    """Open the sample, and add projects with so many groups each, of so many runs each that ended.

    `odd`: the state of all runs of a group, by its number in its project; all others succeeded. The database is made
    anew from the folders.
    """
    sample = open_sample(workspace, SAMPLE)
    base = workspace.root / "projects" / SAMPLE
    launches = [event for event in projects.events(workspace, SAMPLE) if event.get("event") == LAUNCH]
    runs = {run.id: run for run in workspace.store.list(kind="train")}
    number = 0
    for name in names:
        folder = workspace.root / "projects" / name
        folder.mkdir(mode=0o700, exist_ok=True)
        made = replace(sample, slug=name, title=f"Crowd {name}", sample=None)
        (folder / projects.FILE).write_text(projects.text_of(made), encoding="utf-8")
        told: list[dict[str, Any]] = []
        for at in range(groups):
            number += 1
            event = launches[at % len(launches)]
            likes = [runs[id] for id in event["seeds"]][:repeats]
            seeds = {}
            for like in likes:
                spec = _varied(workspace, like.id, number)
                seeds[spec.id] = spec.params.get("seed", 0)
                _write(workspace, spec, like, number, (odd or {}).get(at, "succeeded"))
            told.append(
                event
                | {"group": group_id(spec), "mix": f"{_WORDS[at % len(_WORDS)]} {at:04d}", "seeds": seeds}
                | {"time": 1.7e9 + number, "train": event["train"] | {"learning_rate": _rate(number)}}
            )
        with (folder / "events.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in told)
    workspace.store.rebuild()
    assert base.is_dir()


def early(workspace: Workspace, name: str, repeats: Mapping[str, int], most: int) -> None:
    """Open the sample, and beside it its project as it was after so many repeats: the rest is found finished when it is
    asked for. `repeats`: of single mixes, by name. No training starts by itself, and no encoder is installed.
    """
    open_sample(workspace, SAMPLE)
    shutil.copytree(workspace.root / "projects" / SAMPLE, workspace.root / "projects" / name)
    told = projects.events(workspace, SAMPLE)
    for event in told:
        if event["event"] == LAUNCH:
            left = repeats.get(event["mix"], most)
            event["seeds"] = {id: seed for id, seed in event["seeds"].items() if seed < left}
    text = "".join(json.dumps(event) + "\n" for event in told)
    projects.history_file(workspace, name).write_text(text, encoding="utf-8")
    [some, *_] = workspace.store.list("train")
    encoder = read_json(workspace.run_folder(some.id) / "spec.json")["inputs"]["model"].removeprefix("model:")
    (workspace.models / encoder).mkdir()  # nothing is trained: its name is enough
    slots(workspace.store, train=0)


def retest(
    workspace: Workspace, name: str, gold: Tags, predicted: Sequence[Sequence[Tags]], labels: Sequence[str]
) -> None:
    """Give all groups of a project another dev, and what their runs predicted for it: by group, by repeat.

    The words are made up; so are confidences, .9 everywhere.
    """
    rows = len(gold)
    ids = [row.to_bytes(16, "big") for row in range(rows)]
    tokens = [[f"word{at}" for at in range(len(tags))] for tags in gold]
    columns = {"id": ids, "origin": ids, "tokens": tokens, "tags": gold}
    arrays = [pa.array(columns.get(field.name, [None] * rows), field.type) for field in TABLE]
    data = Corpus(Schema("tagging", tuple(labels), "en"), pa.table(arrays, schema=TABLE))
    corpora.write(data, workspace.corpora)
    path = workspace.root / "projects" / name / "events.jsonl"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for event, found in zip(events, predicted, strict=True):
        event["corpora"] = {"dev": data.id}
        for run, tags in zip(event["seeds"], found, strict=True):
            sure = [[0.9] * len(row) for row in tags]
            kept = predictions.Predictions(tags, sure, 0.0)
            predictions.write(predictions.file_of(workspace.run_folder(run), data.id), data, kept)
    path.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events), encoding="utf-8")


def _rate(number: int) -> float:
    """A learning rate of its own for every group, so that each is another group."""
    return round(2e-4 + number * 1e-9, 12)


def _varied(workspace: Workspace, like: str, number: int) -> RunSpec:
    spec = RunSpec.from_json(read_json(workspace.run_folder(like) / "spec.json"))
    params = dict(spec.params)
    params["train"] = dict(params.get("train", {})) | {"learning_rate": _rate(number)}
    return replace(spec, params=params)


def _write(workspace: Workspace, spec: RunSpec, like: Run, number: int, state: State) -> None:
    source, folder = workspace.run_folder(like.id), workspace.run_folder(spec.id)
    folder.mkdir(mode=0o700)
    result = read_json(source / "result.json")
    result["best_dev"] = round(max(0.0, result["best_dev"] - (number * 37 % 101) / 1000), 6)
    told = CoreError("internal", {"what": "made"}, "hint_log").to_json()
    error = None if state in ("succeeded", "cancelled") else told
    run = replace(
        like, id=spec.id, state=state, error=error, position=number, submitted=1.7e9 + number, started=1.7e9 + number,
        ended=1.7e9 + number + (like.seconds or 60.0), score=result["best_dev"] if state == "succeeded" else None,
    )  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec.to_json()), encoding="utf-8")
    event = {"t": run.ended, "from": None, "to": state, "attempt": run.attempt, "run": asdict(run)}
    (folder / EVENTS).write_text(json.dumps(event) + "\n", encoding="utf-8")
    if state == "succeeded":
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    for path in _shared(source):
        os.link(path, folder / path.name)


def _shared(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _SHARED if (folder / name).exists())
    yield from folder.glob("predictions-*.arrow")
