"""What the run store and the board bear: 10,000 runs, a crowd of readers and writers, the weight of a supervisor.

    python bench/runs.py [--json] [--quick]

The board's first page is what core does for it (the groups of all projects, the view, the repeats of one), in this
process, after a first look that fills the caches of files. Beside it the way that reads every run's folder.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core import project as projects  # noqa: E402
from core.board import View, best_dev, board, opened, selected  # noqa: E402
from core.jobs.dispatch import dispatch  # noqa: E402
from core.jobs.folder import PROCESSES, events, metrics_file, read_object  # noqa: E402
from core.jobs.store import Store  # noqa: E402
from core.runs import RunSpec  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from tests.crowd import fill  # noqa: E402

PAGE = 25  # groups on a page of the board
READER = """
import json, sys, time
from pathlib import Path
from core.errors import CoreError
from core.jobs.store import Store
root, seconds = Path(sys.argv[1]), float(sys.argv[2])
end, times, errors = time.monotonic() + seconds, [], []
while time.monotonic() < end:
    began = time.monotonic()
    try:
        store = Store(root)
        runs = store.list(limit=25)
        store.pending()
        if runs:
            store.get(runs[-1].id)
    except CoreError as error:
        errors.append(error.code)
    times.append(time.monotonic() - began)
    time.sleep(0.02)
print(json.dumps({"times": times, "errors": errors}))
"""
WRITER = """
import json, sys, time
from pathlib import Path
from core.errors import CoreError
from core.jobs.run import Exit
from core.jobs.store import Store
from core.runs import RunSpec
root, seconds, number = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
end, done, errors, at = time.monotonic() + seconds, [], [], 0
while time.monotonic() < end:
    spec = RunSpec("selftest", {}, {"seed": number * 1_000_000 + at})
    at += 1
    try:
        store = Store(root)
        store.submit(spec, {"inputs": {}})
        store.claim(spec.id)
        store.end(spec.id, Exit(1, "succeeded", time.time()))
        done.append(spec.id)
    except CoreError as error:
        errors.append(error.code)
print(json.dumps({"done": done, "errors": errors}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a smaller version, within two minutes")
    args = parser.parse_args()
    claims = [*many_runs(args.quick), *crowd(args.quick), *supervisors(args.quick)]
    if args.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        print(json.dumps({"machine": machine, "claims": claims}))
    else:
        for one in claims:
            more = ", ".join(f"{k} {v:.3g}" for k, v in one["detail"].items() if isinstance(v, int | float))
            print(f"{one['name']:<62} {one['value']:>8.3f} {one['unit']:<3} {more}")
    return 0


def claim(name: str, value: float, unit: str, **detail: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "detail": detail}


def timed(act: Callable[[], object], times: int) -> list[float]:
    """Seconds of each of so many times, after one that isn't counted."""
    act()
    found: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return found


def many_runs(quick: bool) -> list[dict[str, Any]]:
    """10,000 finished runs in 1,250 groups over five projects: pages of the board."""
    groups, rounds = (25, 3) if quick else (250, 9)
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.open(Path(folder) / "w")
        names = [f"crowd-{number}" for number in range(5)]
        fill(space, names, groups, 8)
        runs = len(space.store.briefs("train"))
        claims = [
            look(f"first page of the board, {runs:,} runs", lambda: first_page(space, View()), rounds),
            look("the same, sorted by dev score", lambda: first_page(space, View(sort="dev")), rounds),
            look("the same, searched", lambda: first_page(space, View(text="harbour")), rounds),
            look("what the sidebar asks for", lambda: (space.store.pending(), space.store.since(2e9)), rounds),
        ]
        old = timed(lambda: reading_folders(space, names), 1 if quick else 2)
        ratio = statistics.median(old) / claims[0]["value"]
        return [*claims, claim("reading every folder, against that page", ratio, "x", seconds=statistics.median(old))]


def look(name: str, act: Callable[[], object], rounds: int) -> dict[str, Any]:
    times = timed(act, rounds)
    return claim(name, statistics.median(times), "s", longest=max(times), seconds=times)


def first_page(space: Workspace, view: View) -> None:
    """What core does for a page of the board: all groups, those that the view shows, the repeats of the first."""
    entries = selected(board(space, projects.names(space)), view)
    first = entries[:PAGE][0]
    assert opened(space, first.project, first.group)


def reading_folders(space: Workspace, names: list[str]) -> None:
    """The board as it was: whatever a run reached is read from its folder."""
    known = {run.id for run in space.store.list(kind="train")}
    for name in names:
        for event in projects.events(space, name):
            for run in event.get("seeds", {}):
                if run in known:
                    best_dev(space.run_folder(run))


def crowd(quick: bool) -> list[dict[str, Any]]:
    """20 readers and 4 writers on one workspace: errors that anybody was shown, events that are not in their place."""
    seconds = 5.0 if quick else 20.0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "w")
        readers = [_python(READER, store.root, seconds) for _ in range(20)]
        writers = [_python(WRITER, store.root, seconds, number) for number in range(4)]
        read, wrote = ([json.loads(p.communicate()[0]) for p in group] for group in (readers, writers))
        done = [id for told in wrote for id in told["done"]]
        moves = ["queued", "running", "succeeded"]
        lost = sum([event["to"] for event in events(store.folder(id))] != moves for id in done)
        lost += sum(store.get(id).state != "succeeded" for id in done)
    errors = [code for told in (*read, *wrote) for code in told["errors"]]
    times = [t for told in read for t in told["times"]]
    p95 = statistics.quantiles(times, n=20)[-1]
    detail = {"seconds": seconds, "reads": len(times), "read_median": statistics.median(times), "read_p95": p95}
    return [
        claim("errors shown to 20 readers and 4 writers", len(errors), "", codes=sorted(set(errors)), **detail),
        claim("events lost by the writers", lost, "", runs=len(done), events=3 * len(done)),
    ]


def _python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def supervisors(quick: bool) -> list[dict[str, Any]]:
    """The most memory that a supervisor held, and how long a run takes from its submission to its first line."""
    rounds = 3 if quick else 9
    peaks: list[float] = []
    totals: list[float] = []
    imports: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "w")
        for seed in range(rounds):
            spec = RunSpec("selftest", {}, {"seed": seed, "steps": 40, "seconds_per_step": 0.05})
            totals.append(to_first_line(store, spec))
            time.sleep(1.0)  # it looks at its trainer a few times
            peaks.append(peak(store.folder(spec.id)))
            while store.get(spec.id).pending:
                time.sleep(0.05)
            imports.append(statistics.median(timed(import_of_a_trainer, 1)))
    besides = statistics.median(totals) - statistics.median(imports)
    return [
        claim("most memory of a supervisor", max(peaks), "MB", each=peaks),
        claim("submit to the first line, besides the trainer's imports", besides, "s", totals=totals, imports=imports),
    ]


def to_first_line(store: Store, spec: RunSpec) -> float:
    began = time.monotonic()
    store.submit(spec, {"inputs": {}})
    dispatch(store.root)
    while not metrics_file(store.folder(spec.id), 1).exists():
        time.sleep(0.002)
    return time.monotonic() - began


def peak(folder: Path) -> float:
    """The most resident memory so far of the supervisor of a run, in MB."""
    pid = (read_object(folder / PROCESSES) or {})["supervisor"]["pid"]
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").split("\n")
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def import_of_a_trainer() -> None:
    subprocess.run([sys.executable, "-c", "import core.jobs.trainer, core.jobs.selftest"], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
