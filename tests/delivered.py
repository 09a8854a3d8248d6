"""What the tests of models share: a finished training with weights, made without training."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conftest import HARBOUR

from core import corpus as corpora
from core.corpus import Corpus
from core.formats import ReadOptions, read
from core.jobs.folder import Exit
from core.models import loading
from core.models.catalogue import install
from core.models.loading import ModelMeta
from core.runs import RunSpec
from core.tasks import task as task_of
from core.workspace import Workspace


def harbour() -> Corpus:
    """The 60 sentences of the harbour corpus."""
    return read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus


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
    id = space.store.submit(spec, {"inputs": {}, "device": "cpu", "threads": 1, "versions": {}})[0].id
    assert space.store.claim(id)
    folder = space.run_folder(id)
    (folder / "model").mkdir()
    meta = ModelMeta(base.identity, "tagging", "en", names, 64)
    network = network_of(base.folder, names, 100 + seed)
    loading.word_embeddings(network).requires_grad_(False)
    loading.save_trained(network, meta, folder / "model")
    result = {"steps": 2, "rows": {"gold": len(gold)}, "best_step": 2, "best_dev": 0.5}
    (folder / "result.json").write_text(json.dumps(result))
    assert space.store.end(id, Exit(1, "succeeded", time.time(), score=0.5))
    return id
