"""The run kind `track`: a project told to an MLflow server in the background, for the app.

Credentials are those of the environment in which the app runs. On the command line `track` does the same in its own
process, with its own; there it also writes files wherever it is told to, as no run may.
"""

import itertools
from dataclasses import dataclass, replace

from core import project as projects
from core.errors import CoreError
from core.jobs.folder import Run
from core.params import CLOSED, build, canonical
from core.runs import RunContext, RunSpec
from core.trackers.asked import asked
from core.trackers.described import told, told_report
from core.trackers.mlflow import check_address, send
from core.workspace import Workspace

KIND = "track"


@dataclass(frozen=True)
class TrackParams:
    """What `python -m core track` takes; `address`: http(s); `language`: of the report."""

    __pydantic_config__ = CLOSED
    project: str
    address: str
    experiment: str = ""
    language: str = "en"


def start(workspace: Workspace, params: TrackParams) -> Run:
    """Submit it; what was told before and is told again is a run of its own. Raises CoreError `tracker_address`."""
    projects.load(workspace, params.project)
    check_address(params.address)
    if not params.address.startswith("http"):
        raise CoreError("tracker_address", {"address": params.address}, "hint_tracker_mlflow")
    spec = RunSpec(KIND, {}, canonical(params))
    for number in itertools.count():
        spec = replace(spec, repeat=number)
        if not (workspace.run_folder(spec.id) / "result.json").exists():
            break
    return workspace.submit(spec)[0]


def run(ctx: RunContext) -> None:
    """Raises CoreError as the tracker's `send` does."""
    params = build(TrackParams, ctx.spec.params, KIND)
    workspace = Workspace(ctx.root)
    [of] = asked(workspace, [params.project], workspace.store.get)
    found = told(workspace, of)
    found += [] if of.project is None else told_report(workspace, of.project, params.language)

    def progress(done: int) -> None:
        ctx.check_cancelled()
        ctx.metric(step=done, total=len(found))

    progress(0)
    sent = send(found, params.address, params.experiment, progress)
    ctx.finish({"address": params.address, "sent": len(sent)})
