"""A trained run on new text."""

from typing import Any

import pyarrow as pa

from core.corpus import Corpus, Schema
from core.formats.tokenise import tokenise
from core.jobs.machine import Machine
from core.models.loading import ModelMeta
from core.tasks.tagging import COLUMNS, spans
from core.workspace import Workspace


def predict_lines(workspace: Workspace, run_id: str, lines: list[str]) -> list[dict[str, Any]]:
    """Entities of each line: {"text", "entities": [{"start", "end", "label", "text", "confidence"}]}.

    Offsets are code points; the confidence of an entity is the least probable of its words (0..1).
    """
    from core.training.loop import accelerator
    from core.training.train import with_model

    folder = workspace.run_folder(run_id) / "model"
    meta = ModelMeta.read(folder)
    places = [tokenise(line) for line in lines]
    tokens = [[line[start:end] for start, end in found] for line, found in zip(lines, places, strict=True)]
    unknown: list[list[str | None]] = [[None] * len(row) for row in tokens]
    table = pa.table(
        [pa.array(tokens, COLUMNS["tokens"]), pa.array(unknown, COLUMNS["tags"])], names=["tokens", "tags"]
    )
    machine = Machine.here()
    gear = accelerator({"device": machine.device, "precision": machine.precision, "threads": machine.threads})
    found = with_model(folder, workspace.models, Corpus(Schema(meta.task, meta.labels, meta.language), table), gear)
    out: list[dict[str, Any]] = []
    for line, where, tags, sure in zip(lines, places, found.values, found.confidence, strict=True):
        entities = [
            {
                "start": where[span.start][0],
                "end": where[span.end - 1][1],
                "label": span.label,
                "text": line[where[span.start][0] : where[span.end - 1][1]],
                "confidence": min(sure[span.start : span.end]),
            }
            for span in spans(tags)
        ]
        out.append({"text": line, "entities": entities})
    return out
