"""What the tests of models share: a finished training with weights, made without training."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conftest import HARBOUR

from core import corpus as corpora
from core import model_export
from core.corpus import Corpus
from core.formats import ReadOptions, read
from core.jobs.folder import Run, note, write_json
from core.jobs.trainer import Context
from core.models import loading
from core.models.catalogue import install
from core.models.loading import ModelMeta
from core.runs import KINDS, RunSpec
from core.tasks import task as task_of
from core.workspace import Workspace


def harbour() -> Corpus:
    """The 60 sentences of the harbour corpus."""
    return read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus


def texts(folder: Path, task: str) -> Corpus:
    """The same sentences as rows of text with a label each, and some with two where the task allows it."""
    labels = ("boats", "people|boats" if task == "multilabel" else "people", "weather")
    rows = [" ".join(tokens) for tokens in harbour().table.column("tokens").to_pylist()]
    lines = [f'"{row.replace(chr(34), "")}",{labels[at % 3]}' for at, row in enumerate(rows)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return read(folder / "texts.csv", name="texts.csv", options=ReadOptions(), task=task).corpus


def network_of(base: Path, labels: Sequence[str], seed: int, task: str = "tagging") -> Any:
    """A network whose weights all differ from its encoder's: as if it had learned."""
    import torch

    found = task_of(task)
    torch.manual_seed(seed)
    model: Any = loading.network(base, found.head, found.classes(labels))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def trained_run(
    space: Workspace, model: Path | str, gold: Corpus, dev: Corpus, *, labels: Sequence[str] = (), seed: int = 0
) -> str:
    """A training that succeeded, with weights, over these rows. `model`: what a recipe calls its start. -> its id"""
    base = install(str(model), space.models, space.root)
    names = tuple(labels or gold.schema.labels)
    inputs = {"gold": gold.id, "dev": dev.id}
    for corpus in (gold, dev):
        corpora.write(corpus, space.corpora)
    spec = RunSpec(
        "train",
        {role: f"corpus:{id}" for role, id in inputs.items()} | {"model": f"model:{base.identity}"},
        {"seed": seed, "labels": list(names), "train": {"steps": 2}},
    )
    folder = space.run_folder(spec.id)
    (folder / "model").mkdir(parents=True)
    write_json(folder / "spec.json", spec.to_json())
    write_json(folder / "resolved.json", {"inputs": {}, "device": "cpu", "threads": 1, "versions": {}})
    meta = ModelMeta(base.identity, gold.schema.task, "en", names, 64)
    network = network_of(base.folder, names, 100 + seed, gold.schema.task)
    loading.word_embeddings(network).requires_grad_(False)
    loading.save_trained(network, meta, folder / "model")
    result = {"steps": 2, "rows": {"gold": len(gold)}, "best_step": 2, "best_dev": 0.5}
    write_json(folder / "result.json", result)
    return taken_in(space, spec, 0.5)


def taken_in(space: Workspace, spec: RunSpec, score: float | None = None) -> str:
    """A run whose folder is there, as one that succeeded; no process that starts what waits can get hold of it."""
    now, folder = time.time(), space.run_folder(spec.id)
    lane = KINDS[spec.kind].slot
    note(folder, None, Run(spec.id, spec.kind, "succeeded", 1, 0, now, now, now, lane=lane, score=score))
    return space.store.adopt(spec.id).id


def exported(space: Workspace, spec: RunSpec) -> Run:
    """An export carried out in this process, which holds torch already."""
    folder = space.run_folder(spec.id)
    folder.mkdir(parents=True)
    resolved = {"inputs": {"model": f"runs/{spec.inputs['model'].removeprefix('run:')}"}, "threads": 1}
    for name, data in (("spec", spec.to_json()), ("resolved", resolved)):
        write_json(folder / f"{name}.json", data)
    model_export.run(Context(space.root, folder, spec, resolved, 1))
    return space.store.get(taken_in(space, spec))
