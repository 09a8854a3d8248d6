"""What goes with a model, whichever kind of run it is of: its card, and what repeats it."""

from collections.abc import Mapping
from dataclasses import dataclass

from core import card, card_text, sequence_card, sequence_card_text
from core.continual.chain import KIND as SEQUENCE
from core.models.loading import ModelMeta
from core.workspace import Workspace


@dataclass(frozen=True)
class Papers:
    """`slug`: a name for files; `held`: ids of the corpora that what is written of the model is held against; `files`:
    by name."""

    run: str
    meta: ModelMeta
    slug: str
    held: tuple[str, ...]
    files: Mapping[str, str]


def papers(
    workspace: Workspace, run_id: str, format: str, licences: Mapping[str, str] | None = None, project: str = ""
) -> Papers:
    """Of a trained run. `format`: safetensors or onnx; `licences`: by ingredient, of a sequence by project; `project`:
    which one, where several launched it.

    Raises CoreError `run_unknown`, `run_without_weights`, `run_of_parts`.
    """
    if workspace.store.get(run_id).kind == SEQUENCE:
        told = sequence_card.sequence_card(workspace, run_id, licences)
        files = sequence_card_text.papers(told, format)
        return Papers(run_id, told.meta, told.slug, sequence_card.held(told), files)
    found = card.card(workspace, run_id, licences, project)
    parts = (found.origins.parts["dev"], found.origins.parts["train"])
    there = tuple(part.corpus for part in parts if part.rows is not None)
    return Papers(run_id, found.meta, found.slug, there, card_text.papers(found, format))


def state_of(workspace: Workspace, run_id: str, licences: Mapping[str, str] | None = None, project: str = "") -> str:
    """What changes when the papers of a run would. 16 hex digits."""
    if workspace.store.get(run_id).kind == SEQUENCE:
        return sequence_card.state_of(workspace, run_id, licences)
    return card.state_of(workspace, run_id, licences, project)
