"""The encoders that lie in a workspace, and what they are called."""

from dataclasses import dataclass
from pathlib import Path

from core.errors import CoreError
from core.groups import Group, groups
from core.jobs.folder import read_object
from core.models.catalogue import at_hand
from core.project import names
from core.workspace import Workspace


@dataclass(frozen=True)
class Encoder:
    """An installed encoder. `names`: what launches called it; `runs`: trainings that began with it."""

    identity: str
    names: tuple[str, ...]
    bytes: int
    runs: int


def encoders(workspace: Workspace) -> list[Encoder]:
    """What lies in `models`, whether or not a project still names it."""
    called: dict[str, list[str]] = {}
    for project in names(workspace):
        for group in groups(workspace, project):
            called.setdefault(encoder_of(workspace, group), []).extend([group.train.model] * len(group.runs))
    found: list[Encoder] = []
    for folder in sorted(workspace.models.iterdir()):
        if (folder / "config.json").is_file():
            uses = called.get(folder.name, [])
            size = sum(path.stat().st_size for path in folder.iterdir())
            found.append(Encoder(folder.name, tuple(dict.fromkeys(uses)), size, len(uses)))
    return found


def encoder_of(workspace: Workspace, group: Group) -> str:
    """The identity of the encoder that a group began with. Raises CoreError `run_unknown`."""
    run = next(iter(group.runs.values()))
    spec = read_object(workspace.run_folder(run.id) / "spec.json")
    if spec is None:
        raise CoreError("run_unknown", {"id": run.id})
    return str(spec["inputs"]["model"]).removeprefix("model:")


def folder_of(workspace: Workspace, name: str, relative_to: Path) -> Path | None:
    """Where the files of an encoder lie that a recipe names; None for one of a hub that was not installed yet."""
    found = at_hand(name, relative_to)
    if found is not None:
        return found
    installed = next((one.identity for one in encoders(workspace) if name in one.names), None)
    return None if installed is None else workspace.models / installed


def weights_bytes(workspace: Workspace, run_id: str) -> int:
    """The size of a run's trained model on disk; 0 where it was not kept."""
    return sum(path.stat().st_size for path in (workspace.run_folder(run_id) / "model").glob("*"))
