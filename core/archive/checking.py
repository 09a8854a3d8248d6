"""A staged archive: everything in it is what its name says, before any of it is moved into a workspace."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.archive import documents, tables
from core.archive.entries import EVENTS, NAMES, PROJECT, Manifest
from core.care.links import NAMED, named, sources
from core.corpus import Corpus
from core.errors import CoreError
from core.jobs.folder import note
from core.jobs.run import Run
from core.models.checks import check_folder, check_safetensors, manifest_of
from core.models.loading import META, OVERLAY
from core.params import slug
from core.project import Project, from_data
from core.runs import KINDS, kept, located
from core.sources import Gold
from core.yaml_text import parse

_JSON = ("spec.json", "resolved.json", "run.json", "result.json")


@dataclass(frozen=True)
class Staged:
    """What an archive holds, checked. `names`: what corpus:NAME means; `events`: the project's history."""

    project: Project
    names: Mapping[str, Gold]
    events: tuple[dict[str, Any], ...]
    runs: tuple[Run, ...]


def check(folder: Path, listed: Manifest, step: Callable[[], None]) -> Staged:
    """Check all that was unpacked below a folder; tables and resolved.json are written anew, and each run's events.

    `step` is called before each thing and may raise. Raises CoreError `archive_*`, `model_*`, those of a recipe.
    """
    entries = {entry.name: entry.sha256 for entry in listed.entries}
    for name, digest in entries.items():
        if name.startswith("files/") and name != f"files/{digest}":
            raise CoreError("archive_damaged", {"name": name}, "hint_archive")
    known: dict[str, Corpus] = {}
    for name in (name for name in entries if name.startswith("corpora/")):
        step()
        known[Path(name).stem] = tables.corpus(folder, name)
    for identity in _folders(entries, "models/"):
        step()
        _model(folder / "models" / identity, identity)
    names = dict(_names(folder, entries))
    project = _project(folder, listed.project, names)
    runs: list[Run] = []
    for id in _folders(entries, "runs/"):
        step()
        runs.append(_run(folder, id, listed.behaviours, known))
    return Staged(project, names, tuple(_events(folder)), tuple(runs))


def _folders(entries: Mapping[str, str], parent: str) -> list[str]:
    return sorted({name.split("/")[1] for name in entries if name.startswith(parent)})


def _model(folder: Path, identity: str) -> None:
    check_folder(folder, identity[:16])
    if manifest_of(folder) != identity:
        raise CoreError("archive_damaged", {"name": f"models/{identity}"}, "hint_archive")


def _run(folder: Path, id: str, behaviours: Mapping[str, int], known: Mapping[str, Corpus]) -> Run:
    """A run that succeeded, with all that it read and made."""
    spec_name, resolved_name, run_name, result_name = (f"runs/{id}/{name}" for name in _JSON)
    spec = documents.spec_of(documents.read(folder, spec_name), id, behaviours, spec_name)
    inputs = {role: located(value) for role, value in spec.inputs.items()}
    resolved = documents.resolved_of(documents.read(folder, resolved_name), inputs, resolved_name)
    run = documents.run_of(documents.read(folder, run_name), id, spec.kind, run_name)
    result = documents.result_of(documents.read(folder, result_name), spec.kind, result_name)
    needed = {value.partition(":")[2] for value in spec.inputs.values() if value.startswith("corpus:")}
    needed |= {*result.corpora.values()} if isinstance(result, documents.Imported) else set[str]()
    needed |= {result.corpus} if isinstance(result, documents.Pool) else set[str]()
    for missing in sorted(needed - set(known)):
        raise CoreError("archive_absent", {"name": f"corpora/{missing}.arrow", "by": f"runs/{id}"}, "hint_archive")
    for path in sorted((folder / "runs" / id).iterdir()):
        if path.name == "model":
            _weights(path, spec.inputs.get("model", ""), f"runs/{id}/model")
        elif path.name not in _JSON:
            _part(folder, f"runs/{id}/{path.name}", known)
    (folder / resolved_name).write_text(json.dumps(resolved, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / run_name).unlink()
    run = replace(run, lane=KINDS[run.kind].slot, score=getattr(result, "best_dev", None))
    note(folder / "runs" / id, None, run)
    return run


def _part(folder: Path, name: str, known: Mapping[str, Corpus]) -> None:
    """A file of a run beside those that every run has; its name is one of the list."""
    match Path(name).name.partition("-")[0]:
        case "predictions":
            tables.predictions(folder, name, known)
        case "rejected.arrow":
            tables.rejected(folder, name)
        case "metrics":
            documents.check_metrics(folder, name)
        case _:  # exit.json
            documents.read(folder, name)


def _weights(folder: Path, model: str, name: str) -> None:
    """The weights of a training, laid over the encoder that its spec names."""
    about = documents.read(folder, META)
    base, labels = about.get("base"), about.get("labels")
    words = [about.get("task"), about.get("language"), *(labels if isinstance(labels, list) else [None])]
    if f"model:{base}" != model or not all(isinstance(word, str) for word in words):
        raise documents.wrong(f"{name}/{META}", "not of this run")
    if not isinstance(about.get("max_length"), int):
        raise documents.wrong(f"{name}/{META}", "max_length")
    if not (folder / OVERLAY).is_file():
        raise CoreError("archive_absent", {"name": f"{name}/{OVERLAY}", "by": name}, "hint_archive")
    check_safetensors(folder / OVERLAY, name)


def _names(folder: Path, entries: Mapping[str, str]) -> Iterator[tuple[str, Gold]]:
    """What corpus:NAME means: files of the archive, and how they are read."""
    for name, data in documents.read(folder, NAMES).items():
        gold = documents.gold_of(name, data, NAMES)
        files = [file.replace("file:", "files/", 1) for file in gold.inputs.values()]
        for missing in (file for file in files if file not in entries):
            raise CoreError("archive_absent", {"name": missing[:80], "by": f"corpus:{name}"}, "hint_archive")
        yield name, gold


def _project(folder: Path, name: str, names: Mapping[str, Gold]) -> Project:
    """The project: it may only read what came with it."""
    try:
        text = (folder / PROJECT).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise documents.wrong(PROJECT, "missing, or no text") from None
    data = parse(text, PROJECT).data
    if name != slug(name) or not isinstance(data, dict):
        raise documents.wrong(PROJECT, name[:80])
    try:
        project = from_data(data, folder / name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise documents.wrong(PROJECT, type(error).__name__) from None
    for source in sources(project):
        if not source.startswith(NAMED) or source.removeprefix(NAMED) not in names:
            raise CoreError("archive_outside", {"name": source}, "hint_archive_outside")
    for value in named(project):
        reference = kept(value)
        if reference is None:
            raise CoreError("archive_outside", {"name": value[:80]}, "hint_archive_outside")
        if reference.startswith("file:") and not (folder / located(reference)).is_file():
            raise CoreError("archive_absent", {"name": located(reference), "by": PROJECT}, "hint_archive")
    documents.check_models(project.recipe.train, PROJECT)
    if project.sample is not None and str(project.sample) != slug(str(project.sample)):
        raise documents.wrong(PROJECT, "sample")
    return project


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    for event in documents.lines(folder, EVENTS):
        documents.check_event(event, EVENTS)
        yield event
