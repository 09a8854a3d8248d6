"""`doctor`: whether this installation and workspace work, and mending what doesn't."""

import shutil
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from core.care.doctor import Finding, examine
from core.care.mending import Mended, examine_and_mend
from core.commands.answer import Answer, Setting, delivered
from core.errors import CoreError, message
from core.jobs.machine import Machine
from core.output import table
from core.runs import RunSpec
from core.submit import RunEnded

Check = tuple[str, bool, str]  # what, whether it is well, and a figure


def doctor(args: Namespace, at: Setting) -> Answer:
    """What this installation and workspace are, and whether they work; what was mended counts as well."""
    done = examine_and_mend(at.workspace) if args.mend else Mended(examine(at.workspace), None, [])
    for spec in done.again:
        with suppress(RunEnded, CoreError):  # it stays a finding
            delivered(spec, at)
    found, batch = done.found, done.aside
    left = examine(at.workspace) if args.mend and found else found
    checks = _checks(args, at)
    status = 0 if all(good for _, good, _ in checks) and not left else 1
    data = {
        "checks": [{"name": name, "ok": good, "what": what} for name, good, what in checks],
        "findings": [_json(finding, finding not in left and args.mend, at.language) for finding in found],
        "left": len(left),
        "aside": batch,
    }
    return Answer(data, _text(checks, found, left, batch, args.mend, at.language), status)


def _checks(args: Namespace, at: Setting) -> list[Check]:
    machine = Machine.here()
    checks: list[Check] = [
        ("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        ("sqlite", True, sqlite3.sqlite_version),
        ("machine", True, f"{machine.device}, {machine.precision}, {machine.threads} threads, {machine.flags}"),
        ("free space", shutil.disk_usage(at.workspace.root).free > 2 << 30, f"{at.workspace.free_bytes() >> 20} MB"),
        *_bundled_models(),
    ]
    if args.selftest:
        result = delivered(RunSpec("selftest", {}, {"seed": int(args.selftest_seed)}), at)
        checks.append(("selftest run", True, str(result["digest"])[:16]))
    return checks


def _bundled_models() -> list[Check]:
    from core.models.catalogue import BUNDLED, bundled_is_intact

    return [("model", bundled_is_intact(name), name) for name in BUNDLED]


def _json(finding: Finding, mended: bool, language: str) -> dict[str, object]:
    return {
        "code": finding.code,
        "where": finding.where,
        "message": message(finding.code, finding.values, language),
        "mend": message(f"mend_{finding.mend}", {}, language),
        "mended": mended,
    }


def _text(
    checks: Sequence[Check],
    found: Sequence[Finding],
    left: Sequence[Finding],
    batch: str | None,
    mended: bool,
    language: str,
) -> str:
    rows = [["", "", ""], *([name, "ok" if good else "NOT OK", what] for name, good, what in checks)]
    lines = [table(rows).split("\n", 2)[2], ""]
    if not found:
        return "\n".join([*lines, message("line_workspace_sound", {}, language)])
    for finding in found:
        done = mended and finding not in left
        act = message("word_mended" if done else f"mend_{finding.mend}", {}, language)
        lines.append(f"{finding.where}: {message(finding.code, finding.values, language)} [{act}]")
    if batch:
        lines.append(message("line_set_aside", {"name": batch}, language))
    lines.append(message("line_findings", {"n": len(found), "left": len(left)}, language))
    return "\n".join(lines)
