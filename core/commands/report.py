"""`report`: one mix against one baseline as a file for somebody who has to decide."""

from argparse import Namespace
from pathlib import Path

from core.brief.document import document
from core.brief.facts import counted
from core.brief.gathering import EXAMPLES, brief
from core.brief.words import page
from core.commands.answer import Answer, Setting, asked_project
from core.errors import CoreError, message
from core.jobs.folder import write_text
from core.params import slug


def report(args: Namespace, at: Setting) -> Answer:
    """Write the report of a project. Raises what core.brief.facts.brief does, and CoreError `file_unwritable`."""
    found = brief(
        at.workspace, asked_project(args.project, at), args.mix or "", args.baseline or "", args.split or "",
        0 if args.no_sentences else EXAMPLES,
    )  # fmt: skip
    told = page(found, at.language, args.question or "", args.minutes)
    path = Path(args.out or f"report-{slug(found.project.slug)}.html")
    try:
        write_text(path, document(told))
    except OSError as error:
        raise CoreError("file_unwritable", {"file": str(path), "what": error.strerror or ""}, "hint_file") from None
    before, now, lost = counted(found.whole)
    data = {
        "project": found.project.slug,
        "mix": found.titles[0],
        "baseline": found.titles[1],
        "split": found.split,
        "advice": found.advice,
        "sure": found.sure,
        "question": told.question,
        "answer": told.answer,
        "found": {"before": before, "now": now, "lost": lost},
        "tried": len(found.candidates),
        "out": str(path),
        "bytes": path.stat().st_size,
    }
    lines = [told.question, told.answer, *told.sure, message("line_report", {"file": str(path)}, at.language)]
    return Answer(data, "\n".join(lines))
