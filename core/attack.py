"""Attacks on a trained run, over some of its dev or training rows: the pool of children that fooled it, and how many.

Such a pool is built like any other, by the run kind `augment`, over a corpus of its own that no mix knows. Test is
never attacked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment import check_suits
from core.augment.audit import Attacked, Audit
from core.corpus import Corpus
from core.errors import CoreError
from core.jobs.folder import Run, read_json
from core.mix import GOLD
from core.models import started
from core.params import build
from core.recipe import AugmentedIngredient
from core.runs import RunSpec
from core.sources import keep_named
from core.stage import augment_spec_of
from core.tasks import task as task_of
from core.tasks.drawing import split_off
from core.workspace import Workspace

ATTACKS: Mapping[str, str] = {
    "attack": "model",
    "rockner": "against",
}  # methods -> the param that names who is attacked
SPLITS: Mapping[str, str] = {"dev": "dev", "train": GOLD}  # -> the role among the inputs of a training
ROWS = 100  # that are attacked where nobody says how many


@dataclass(frozen=True)
class Asked:
    """An attack. `rows`: how many of the split, drawn by label; `params`: of the method, without who is attacked."""

    run: str
    method: str = "attack"
    split: str = "dev"
    rows: int = ROWS
    seed: int = 0
    params: Mapping[str, Any] | None = None


def start(workspace: Workspace, asked: Asked, folder: Path) -> tuple[Run, Corpus]:
    """Submit an attack. `folder`: what names in the params are relative to. -> the run, the rows that are attacked

    Raises CoreError `augmenter_needs`, `corpus_gone`, those of `keep_named`.
    """
    data = _rows(workspace, asked)
    check_suits(asked.method, task_of(data.schema.task))
    corpora.write(data, workspace.corpora)
    params = {**(asked.params or {}), ATTACKS[asked.method]: f"run:{asked.run}"}
    part = AugmentedIngredient(asked.method, params=params, seed=asked.seed)
    return workspace.submit(_spec(keep_named(workspace, part, folder, data.schema.language), data))[0], data


def newest(workspace: Workspace, asked: Asked) -> Run | None:
    """The run that `start` submitted for the same question without params of its own, however it stands; None where
    there is none. Installs nothing."""
    installed = started.installed(asked.run, workspace.models)
    if installed is None:
        return None
    part = AugmentedIngredient(asked.method, params={ATTACKS[asked.method]: f"model:{installed.name}"}, seed=asked.seed)
    try:
        found = workspace.store.find([_spec(part, _rows(workspace, asked)).id])
    except CoreError:
        return None
    return found[0] if found else None


def attacked(workspace: Workspace, run: Run) -> Attacked | None:
    """What an attack that succeeded as a run came to; None where no row could be attacked."""
    return build(Audit, workspace.result(run.id)["audit"], "audit").attack


def _spec(part: AugmentedIngredient, data: Corpus) -> RunSpec:
    return augment_spec_of(part, data.id, {})


def _rows(workspace: Workspace, asked: Asked) -> Corpus:
    """Some rows of a split that a run was trained with. Raises CoreError `corpus_gone`."""
    inputs: Mapping[str, str] = read_json(workspace.run_folder(asked.run) / "spec.json")["inputs"]
    id = inputs[SPLITS[asked.split]].removeprefix("corpus:")
    path = workspace.corpus_path(id)
    if not path.exists():
        raise CoreError("corpus_gone", {"corpus": id[:16]})
    whole = corpora.read(path)
    if len(whole) <= asked.rows:
        return whole
    return split_off(task_of(whole.schema.task), whole, asked.rows, 0)[1]
