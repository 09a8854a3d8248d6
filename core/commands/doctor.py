"""`doctor`: whether this installation and workspace work."""

import shutil
import sqlite3
import sys
from argparse import Namespace

from core import corpus as corpora
from core.commands.answer import Answer, Setting, delivered
from core.jobs.machine import Machine
from core.output import (
    table,
)
from core.runs import RunSpec
from core.workspace import Workspace


def doctor(args: Namespace, at: Setting) -> Answer:
    """What this installation and workspace are, and whether they work."""
    machine = Machine.here()
    checks: list[tuple[str, bool, str]] = [
        ("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        ("sqlite", True, sqlite3.sqlite_version),
        ("machine", True, f"{machine.device}, {machine.precision}, {machine.threads} threads, {machine.flags}"),
        ("free space", shutil.disk_usage(at.workspace.root).free > 2 << 30, f"{at.workspace.free_bytes() >> 20} MB"),
        ("database", *_database(at.workspace)),
        ("model", *_bundled_model()),
        ("corpora", *_corpora(at.workspace)),
    ]
    if args.selftest:
        result = delivered(RunSpec("selftest", {}, {"seed": int(args.selftest_seed)}), at)
        checks.append(("selftest run", True, str(result["digest"])[:16]))
    rows = [["", "", ""], *([name, "ok" if good else "NOT OK", what] for name, good, what in checks)]
    status = 0 if all(good for _, good, _ in checks) else 1
    return Answer(
        {"checks": [{"name": n, "ok": g, "what": w} for n, g, w in checks]}, table(rows).split("\n", 2)[2], status
    )


def _database(workspace: Workspace) -> tuple[bool, str]:
    workspace.store.list(limit=1)  # opens it, so that a damaged one is rebuilt first
    with sqlite3.connect(workspace.root / "runs.db") as connection:
        found = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    return found == "ok", found


def _bundled_model() -> tuple[bool, str]:
    from core.models.catalogue import BUNDLED, bundled_is_intact

    name = next(iter(BUNDLED))
    return bundled_is_intact(name), name


def _corpora(workspace: Workspace) -> tuple[bool, str]:
    """Whether every stored corpus still has the content its name says."""
    paths = sorted(workspace.corpora.glob("*.arrow"))
    bad = [path.stem for path in paths if corpora.read(path).id != path.stem]
    return not bad, f"{len(paths) - len(bad)} of {len(paths)} intact" + (f"; not: {bad[0]}" if bad else "")
