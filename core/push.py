"""A trained run on a model hub: the exported folder, its model card, and the project's report, in one commit.

Through huggingface_hub, which finds the address (HF_ENDPOINT) and the token (HF_TOKEN, or `hf auth login`) itself: they
pass through no code here. What is pushed is private unless somebody says otherwise.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import model_export
from core.brief.document import report_of
from core.brief.gathering import EXAMPLES
from core.card import launched_by
from core.errors import CoreError
from core.models.catalogue import reach_hub
from core.papers import papers
from core.submit import Watch, result_of
from core.workspace import Workspace

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REPORT = "report.html"


@dataclass(frozen=True)
class Push:
    """What is pushed and where to. `to`: ORG/NAME; `sentences`: whether the report quotes some of the data."""

    to: str
    public: bool = False
    card_only: bool = False
    sentences: bool = False


@dataclass(frozen=True)
class Pushed:
    """Where it is now. `files`: name -> bytes, of what was sent."""

    address: str
    commit: str
    private: bool
    files: Mapping[str, int]


def push(workspace: Workspace, run_id: str, wanted: Push, language: str, watch: Watch) -> Pushed:
    """Export a trained run, and send it in one commit. Files that are there already and have other names stay.

    Raises CoreError `push_name`, `hub_silent`, `push_refused`, `push_public`, `run_without_weights`, those of exports.
    """
    if _NAME.fullmatch(wanted.to) is None:
        raise CoreError("push_name", {"name": wanted.to}, "hint_push_name")
    hub = reach_hub()
    with tempfile.TemporaryDirectory(dir=workspace.root / "cache", prefix="push-") as place:
        folder = Path(place) / "files"
        _fill(workspace, run_id, wanted, language, watch, folder)
        return _send(folder, wanted, hub, run_id)


def _fill(workspace: Workspace, run_id: str, wanted: Push, language: str, watch: Watch, folder: Path) -> None:
    launch = launched_by(workspace, run_id)
    if wanted.card_only:
        folder.mkdir()
        for name, words in papers(workspace, run_id, "safetensors").files.items():
            (folder / name).write_text(words, encoding="utf-8")
    else:
        export = model_export.start(workspace, run_id, "safetensors")
        result_of(workspace, export, watch)
        package = model_export.package_of(workspace, workspace.store.get(export.id))
        assert package is not None  # it has just been made
        model_export.unpack(package, folder)
    html = launch and report_of(workspace, launch.project, language, EXAMPLES if wanted.sentences else 0)
    if html:
        (folder / REPORT).write_text(html, encoding="utf-8")


def _send(folder: Path, wanted: Push, hub: str, run_id: str) -> Pushed:
    """One commit with all files of the folder."""
    import httpx2
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    api = HfApi()
    files = sorted(folder.iterdir())
    try:
        private = _repository(api, wanted)
        operations = [CommitOperationAdd(path.name, str(path)) for path in files]
        done: Any = api.create_commit(wanted.to, operations, commit_message=f"Peibi: run {run_id}")
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "?")
        what = (error.server_message or type(error).__name__).split("\n")[0][:200]
        raise CoreError("push_refused", {"name": wanted.to, "status": status, "what": what}, "hint_push") from None
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
        what = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        raise CoreError("push_broken", {"name": wanted.to, "what": what}, "hint_push_broken") from None
    return Pushed(f"{hub}/{wanted.to}", done.oid, private, {path.name: path.stat().st_size for path in files})


def _repository(api: Any, wanted: Push) -> bool:
    """Make the repository where it isn't there. -> whether it is private

    Raises CoreError `push_public` where one is there that everybody can read and nobody said that this is meant.
    """
    api.create_repo(wanted.to, private=not wanted.public, exist_ok=True)
    private = bool(api.model_info(wanted.to).private)
    if not private and not wanted.public:
        raise CoreError("push_public", {"name": wanted.to}, "hint_push_public")
    return private
