"""`export` and `unpack`: a project as one file, out of a workspace and into another."""

import shutil
from argparse import Namespace
from pathlib import Path

from core import project as projects
from core.archive import unpack as unpacking
from core.archive.export import archive_of, start
from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.output import size_text
from core.submit import result_of


def export(args: Namespace, at: Setting) -> Answer:
    """Write a project into a file. Raises CoreError `project_unknown`, `file_unwritable`, `no_room`, `export_*`."""
    project = projects.load(at.workspace, args.project)
    run = start(at.workspace, project, args.weights, args.models)
    result = result_of(at.workspace, run, at.watch)
    written = archive_of(at.workspace, at.workspace.store.get(run.id))
    if written is None:
        raise CoreError("export_changed", {"project": project.slug}, "hint_export_changed")
    draft = Path(f"{args.out}.part")
    try:
        shutil.copyfile(written, draft)
        draft.rename(args.out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CoreError("file_unwritable", {"file": args.out, "what": error.strerror or ""}) from None
    lines = [message("line_exported", {"file": args.out, "size": size_text(result["bytes"])}, at.language)]
    for model in result["left_out"]:
        lines.append(message("line_model_left_out", {"model": model[:16]}, at.language))
    return Answer({"run": run.id, **result, "file": args.out}, "\n".join(lines))


def unpack(args: Namespace, at: Setting) -> Answer:
    """Bring an archive in as a project. Raises CoreError `archive_*`, `no_room`, `file_*`."""
    kept = at.workspace.add_file(Path(args.file), args.file)
    spec = unpacking.spec_of(at.workspace, kept)
    reused = unpacking.unpacked(at.workspace, spec.id) is not None
    run = at.workspace.submit(spec)[0]
    result = result_of(at.workspace, run, at.watch)
    code = "line_unpacked_before" if reused else "line_unpacked"
    values = {
        "project": result["project"],
        "title": result["title"],
        "runs": result["runs"],
        "new": result["new"]["runs"],
    }
    return Answer({"run": run.id, "reused": reused, **result}, message(code, values, at.language))
