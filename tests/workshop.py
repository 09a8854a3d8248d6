"""What the tests of care and archives work on: runs made without training, and a workspace as a list of its files."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.jobs.folder import Exit
from core.jobs.store import Store
from core.runs import RunSpec, State
from core.training import checkpoints
from core.workspace import Workspace

NEVER = ("runs.db", "runs.db.lock", "dispatch.lock", "cache/disk-use.json", "projects/.samples.lock")
CORPUS = "ab" * 32


def train_spec(seed: int, *, steps: int = 10) -> RunSpec:
    inputs = {"gold": f"corpus:{CORPUS}", "dev": f"corpus:{'cd' * 32}", "model": f"model:{'ef' * 32}"}
    return RunSpec("train", inputs, {"seed": seed, "labels": ["A"], "train": {"steps": steps}})


def ended(
    store: Store,
    spec: RunSpec,
    files: Mapping[str, str | bytes] | None = None,
    *,
    state: State = "succeeded",
    ago: float = 100.0,
    result: Mapping[str, object] | None = None,
) -> str:
    """A run that ended so many seconds ago, with these files in its folder."""
    id = store.submit(spec, {"inputs": {}})[0].id
    assert store.claim(id)
    folder = store.folder(id)
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if result is not None:
        (folder / "result.json").write_text(json.dumps(result))
    assert store.end(id, Exit(1, state, time.time() - ago))
    return id


def checkpointed(folder: Path, steps: Sequence[int], best: int) -> None:
    """Checkpoints as a training leaves them, and the best weights."""

    def write(text: str):
        return lambda draft: (draft / "state.json").write_text(text)

    for step in steps:
        checkpoints.save(folder / "checkpoints", step, write(json.dumps({"progress": {"best_step": best}})))
    for step in sorted({best, steps[0]}):
        checkpoints.save(folder / "best", step, write(f"weights of {step}"))


def lying(root: Path, below: str = "") -> dict[str, str]:
    """Every file and empty folder of a workspace, with a digest of what is in it; without database, locks, memory."""
    found: dict[str, str] = {}
    for path in sorted((root / below).rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            if "/" in name and not any(path.iterdir()):
                found[name + "/"] = ""
        elif name not in NEVER and path.name != "lock" and not path.is_socket():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def rows(workspace: Workspace) -> dict[str, tuple[object, ...]]:
    """The rows of the store, without the places in the queue."""
    return {run.id: (run.kind, run.state, run.attempt, run.started, run.ended) for run in workspace.store.list()}


def old(path: Path, seconds: float = 7200.0) -> None:
    """Make a file look as if it was written so long ago."""
    os.utime(path, (time.time() - seconds,) * 2)
