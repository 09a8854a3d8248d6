"""The workspace: the one folder a person's files, corpora, models, projects and runs live in, and its paths."""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import CoreError
from core.jobs.dispatch import dispatch
from core.jobs.folder import Run, read_json
from core.jobs.machine import Machine, gpu_name, gpus
from core.jobs.store import SAME, Store
from core.params import slug
from core.room import refuse_without_room
from core.runs import RunSpec, located
from core.training.gear import versions

_COPY_BYTES = 1 << 20


def open_default(folder: str | None = None) -> "Workspace":
    """The workspace at `folder`, else $PEIBI_HOME, else ./workspace; made if it isn't there."""
    return Workspace.open(Path(folder or os.environ.get("PEIBI_HOME") or "workspace"))


def show_only() -> str:
    """The project of $PEIBI_SHOW, whose report is all that the app shows; else ""."""
    return os.environ.get("PEIBI_SHOW", "")


def tracking_server() -> str:
    """What $MLFLOW_TRACKING_URI says, as MLflow's own programs read it; else ""."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip()


def suggest(settings: Mapping[str, str]) -> None:
    """Set variables of the environment that a library reads, where nobody has set them; before it is imported."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True)
class Workspace:
    """Paths and the acts that touch them. `root` is absolute."""

    root: Path

    @classmethod
    def open(cls, folder: Path) -> "Workspace":
        """Raises CoreError `workspace_unusable` where no folder can be made or written."""
        root = folder.expanduser().absolute()
        try:
            for name in ("", "files", "corpora", "models", "cache", "projects", "runs", "trash"):
                (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(root, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "")  # a full disk is no reason: what is there can be read
        except OSError as error:
            values = {"path": str(folder), "what": os.strerror(error.errno or 0)}
            raise CoreError("workspace_unusable", values, "hint_workspace") from None
        return cls(root)

    @property
    def store(self) -> Store:
        return Store(self.root)

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def corpora(self) -> Path:
        return self.root / "corpora"

    @property
    def trash(self) -> Path:
        """What was deleted and can be brought back."""
        return self.root / "trash"

    def run_folder(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def corpus_path(self, corpus_id: str) -> Path:
        return self.corpora / f"{corpus_id}.arrow"

    def result(self, run_id: str) -> dict[str, Any]:
        """What a run that succeeded delivers."""
        return json.loads((self.run_folder(run_id) / "result.json").read_text(encoding="utf-8"))

    def add_file(self, path: Path, name: str) -> str:
        """Keep a user's file under its sha256. `name`: as the user wrote it, for messages."""
        try:
            if path.is_dir():
                raise CoreError("file_is_folder", {"file": name}, "hint_file")
            if path.exists() and not path.is_file():  # a pipe or a device may never end
                raise CoreError("file_unreadable", {"file": name, "what": "not a regular file"}, "hint_file")
            with path.open("rb") as source:
                return self.add_stream(source, name)
        except FileNotFoundError:
            raise CoreError("file_missing", {"file": name}, "hint_file") from None
        except OSError as error:
            raise _unreadable(name, error) from None

    def add_stream(self, stream: BinaryIO, name: str) -> str:
        """Keep what a stream holds, from where it stands to its end, under its sha256; never whole in memory."""
        temporary = self.root / "files" / f".{os.getpid()}-{time.monotonic_ns()}.tmp"
        digest = hashlib.sha256()
        try:
            with temporary.open("wb") as target:
                while block := stream.read(_COPY_BYTES):
                    digest.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            temporary.rename(self.root / "files" / digest.hexdigest())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise CoreError("workspace_full", {"path": str(self.root)}, "hint_workspace_full") from None
            raise _unreadable(name, error) from None
        finally:
            temporary.unlink(missing_ok=True)
        return digest.hexdigest()

    def name_corpus(self, name: str, data: Mapping[str, Any]) -> None:
        """Remember an import under a name: `corpus:NAME` in recipes means the same files again."""
        path = self._named(name)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.rename(path)

    def named_corpus(self, name: str) -> dict[str, Any]:
        """Raises CoreError `corpus_unknown` with the names there are."""
        path = self._named(name)
        if not path.is_file():
            raise CoreError(
                "corpus_unknown", {"name": name, "known": ", ".join(self.corpus_names()) or "-"}, "hint_import"
            )
        return json.loads(path.read_text(encoding="utf-8"))

    def corpus_names(self) -> list[str]:
        return sorted(path.stem for path in self.corpora.glob("*.json"))

    def _named(self, name: str) -> Path:
        if name != slug(name):
            raise CoreError("bad_name", {"name": name, "nearest": slug(name)}, "hint_nearest")
        return self.corpora / f"{name}.json"

    def record(self, project: str, event: Mapping[str, Any]) -> None:
        """Append one event to a project's history."""
        folder = self.root / "projects" / slug(project)
        folder.mkdir(exist_ok=True, mode=0o700)
        line = json.dumps({"time": time.time(), **event}, ensure_ascii=False) + "\n"
        with (folder / "events.jsonl").open("ab", buffering=0) as file:
            file.write(line.encode())

    def submit(self, spec: RunSpec, outside: Mapping[str, str] | None = None) -> tuple[Run, bool]:
        """Queue a run and start it if a slot is free. -> (the run, whether it was there already).

        What the spec leaves open (where inputs lie, device, precision, threads, versions) is settled here, once.
        Raises CoreError `no_room` where the disk has no place for what it writes.
        """
        run, reused = self.queue(spec, outside or {})
        dispatch(self.root)
        return run, reused

    def queue(self, spec: RunSpec, outside: Mapping[str, str]) -> tuple[Run, bool]:
        """`submit` without starting it: for a run that wants another one done after it."""
        if not any(run.state in SAME for run in self.store.find([spec.id])):
            refuse_without_room(self.root, spec)
        return self.store.submit(spec, self._resolved(spec, outside))

    def resubmit(self, run_id: str) -> Run:
        """Queue a run that ended without success again: it goes on from its last checkpoint, or begins anew."""
        run = self.queue_again(run_id)
        dispatch(self.root)
        return run

    def queue_again(self, run_id: str) -> Run:
        """`resubmit` without starting it: for many at once, with one `dispatch` at the end."""
        spec = RunSpec.from_json(read_json(self.run_folder(run_id) / "spec.json"))
        return self.queue(spec, {})[0]

    def dispatch(self) -> None:
        """Start what waits, as far as slots are free."""
        dispatch(self.root)

    def _resolved(self, spec: RunSpec, outside: Mapping[str, str]) -> dict[str, Any]:
        """What a spec leaves open; only the first of it that is written counts."""
        inputs = {role: located(value) for role, value in spec.inputs.items()} | dict(outside)
        machine = Machine.here()
        return {
            "inputs": inputs,
            "device": machine.device,
            "precision": machine.precision,
            "threads": machine.threads,
            "cpu_flags": machine.flags,
            "versions": versions(),
        } | ({"gpu": gpu_name(gpus()[0])} if machine.device == "cuda" else {})

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free


def _unreadable(name: str, error: OSError) -> CoreError:
    return CoreError("file_unreadable", {"file": name, "what": os.strerror(error.errno or 0)}, "hint_file")
