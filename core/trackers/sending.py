"""The run kind `track`: a project told to an MLflow server in the background, for the app.

The server is the one that whoever started the app named in MLFLOW_TRACKING_URI, with the credentials beside it: who
uses the app must not choose whom the machine calls, nor who is shown these. On the command line `track` does the same
in its own process, with its own; there it goes wherever it is told to, files included, as no run may.
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
from core.workspace import Workspace, tracking_server

KIND = "track"


@dataclass(frozen=True)
class TrackParams:
    """What `python -m core track` takes; `address`: that of `server`; `language`: of the report."""

    __pydantic_config__ = CLOSED
    project: str
    address: str
    experiment: str = ""
    language: str = "en"


def server() -> str:
    """The address of the one server that the app tells; "" where none is named. Raises CoreError `tracker_address`."""
    address = tracking_server()
    if address:
        check_address(address)
        if not address.startswith("http"):
            raise CoreError("tracker_address", {"address": address}, "hint_tracker_server")
    return address


def _check_server(address: str) -> None:
    """Whether a run may send there. Raises CoreError `tracker_other`, those of `server`."""
    if not address or address != server():
        raise CoreError("tracker_other", {"address": address}, "hint_tracker_server")


def start(workspace: Workspace, params: TrackParams) -> Run:
    """Submit it; what was told before and is told again is a run of its own. Raises CoreError `tracker_other`."""
    projects.load(workspace, params.project)
    _check_server(params.address)
    spec = RunSpec(KIND, {}, canonical(params))
    for number in itertools.count():
        spec = replace(spec, repeat=number)
        if not (workspace.run_folder(spec.id) / "result.json").exists():
            break
    return workspace.submit(spec)[0]


def run(ctx: RunContext) -> None:
    """Raises CoreError `tracker_other`, where another server is named by now, and as the tracker's `send` does."""
    params = build(TrackParams, ctx.spec.params, KIND)
    _check_server(params.address)
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
