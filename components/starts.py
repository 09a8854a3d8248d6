"""The models that trainings can begin with, as a list to choose from: bundled ones, trained and pre-trained runs."""

from collections.abc import Mapping

from components.words import raw, visible
from core import pretraining
from core import project as projects
from core.groups import launched
from core.models.catalogue import BUNDLED
from core.models.started import starts
from core.workspace import Workspace


def known_models(space: Workspace) -> Mapping[str, str]:
    """What a recipe calls each of them, and how it is shown, as it is."""
    runs = [start.run for _, start in starts(space.models)]
    named: dict[str, str] = {name: name for name in BUNDLED}
    for run in dict.fromkeys(runs):
        named[f"run:{run}"] = _words(space, run)
    return named


def _words(space: Workspace, run: str) -> str:
    read = pretraining.name_of(space, run)
    if read is not None:
        return raw("run {run}: pre-trained on {texts}", run=run[:8], texts=read)
    for project in projects.names(space):
        found = launched(space, project).get(run)
        if found:
            return raw("run {run}: {mix}, repeat {seed}", run=run[:8], mix=found[1], seed=found[2])
    return visible(f"run:{run}")
