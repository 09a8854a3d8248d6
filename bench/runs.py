"""What the board and the run store bear: 10,000 finished runs, acts on 1,000 of them, a crowd of readers and writers;
what a supervisor weighs, and how well the end of a training is foretold.

    python bench/runs.py [--json] [--quick]

Core time: what `core` needs for a page, without Streamlit and the browser. Files are warm. "First page" is asked for in
a fresh process each time, which has read nothing yet; what follows is asked for in a process that has.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core import board as boards  # noqa: E402
from core import bulk, pace  # noqa: E402
from core import project as projects  # noqa: E402
from core.board import View, board, opened, selected  # noqa: E402
from core.groups import groups, history  # noqa: E402
from core.jobs.dispatch import dispatch  # noqa: E402
from core.jobs.folder import PROCESSES, events, last_metrics, metrics_file, read_object, share_done  # noqa: E402
from core.jobs.store import Store  # noqa: E402
from core.launch import launch, plan_launch, standing  # noqa: E402
from core.mix import Mix  # noqa: E402
from core.runs import RunSpec  # noqa: E402
from core.sample import open_sample  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from tests.conftest import environment  # noqa: E402
from tests.crowd import fill  # noqa: E402

PROJECTS, REPEATS, PAGE = 5, 8, 25
TIMES = 20  # samples of what is quick
POLL = 0.5  # seconds
SHARES = (0.3, 0.6)  # of a training's time, at which its end is foretold
Claim = dict[str, Any]


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
    parser.add_argument("--first-page", metavar="DIR", help=argparse.SUPPRESS)  # what `first_page` starts
    args = parser.parse_args()
    if args.first_page:
        print(json.dumps(_both(lambda: _page(Workspace(Path(args.first_page)), View(), 1), 1)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        claims = measured(Path(folder), args.quick)
    if args.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        print(json.dumps({"machine": machine, "claims": claims}))
    else:
        for one in claims:
            detail = {name: value for name, value in one["detail"].items() if name != "seconds"}
            print(f"{one['name']:<66} {one['value']:>9.3g} {one['unit']}   {json.dumps(detail)}")
    return 0


def measured(folder: Path, quick: bool) -> list[Claim]:
    """All claims, the value of each the median."""
    large = filled(folder / "large", 25 if quick else 250)
    small = filled(folder / "small", 2 if quick else 12)
    return [
        first_page(large, 3 if quick else 10),
        next_page(large),
        search(large),
        sort(large),
        as_before(small),
        delete_and_restore(large, 100 if quick else 1000),
        *pages(large),
        *foretold(folder / "training", 30 if quick else 100),
        *crowd(quick),
        *supervisors(quick),
    ]


def filled(folder: Path, size: int) -> Workspace:
    """A workspace with so many groups in each of five projects, of eight finished runs each."""
    space = Workspace.open(folder)
    fill(space, [f"project-{number}" for number in range(PROJECTS)], size, REPEATS)
    return space


def first_page(space: Workspace, times: int) -> Claim:
    """The first page and the group that is open in it, in a process that has read nothing yet."""
    command = [sys.executable, str(Path(__file__)), "--first-page", str(space.root)]
    seconds: list[tuple[float, float]] = []
    for _ in range(times):
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
        seconds += [(wall, busy) for wall, busy in json.loads(done.stdout)]
    return _timing(f"first page of the board, {_size(space)}", seconds)


def next_page(space: Workspace) -> Claim:
    return _timing(f"next page, {_size(space)}", _both(lambda: _page(space, View(), 2)))


def search(space: Workspace) -> Claim:
    return _timing(f"search in the names, {_size(space)}", _both(lambda: _page(space, View("archive 00"), 1)))


def sort(space: Workspace) -> Claim:
    return _timing(f"best on dev first, {_size(space)}", _both(lambda: _page(space, View(sort="dev"), 1)))


def as_before(space: Workspace) -> Claim:
    """A smaller board with and without reading the folders of all its runs."""
    names = projects.names(space)
    before = _timed(lambda: [_by_folders(space, name) for name in names], 3)
    now = _timed(lambda: _page(space, View(), 1))
    ratio = statistics.median(before) / statistics.median(now)
    detail = {"every_folder_read": _rounded(before), "now": _rounded(now), "unit": "s"}
    return {"name": f"times as fast as reading every folder, {_size(space)}", "value": ratio, "unit": "x"} | {
        "detail": detail
    }


def delete_and_restore(space: Workspace, runs: int) -> Claim:
    """So many runs at once to the trash, and back again."""
    entries = board(space, projects.names(space))
    ids = bulk.touched(space, entries).delete[:runs]
    seconds: list[float] = []
    for _ in range(3):
        names: list[str] = []
        [there] = _timed(lambda names=names: names.append(bulk.delete(space, ids)), 1)
        [back] = _timed(lambda names=names: bulk.restore(space, names[0]), 1)
        seconds += [there, back]
    detail = {"delete": _rounded(seconds[::2]), "restore": _rounded(seconds[1::2])}
    value = statistics.median(seconds[::2])
    return {"name": f"delete {runs:,} runs (restore: see detail)", "value": value, "unit": "s", "detail": detail}


def pages(space: Workspace) -> list[Claim]:
    """What the server needs to draw each page again that lists runs, Streamlit included, without a browser."""
    os.environ["PEIBI_HOME"] = str(space.root)
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.query_params["project"], at.query_params["scope"] = "project-0", "all"
    at.run()
    claims: list[Claim] = []
    for page in ("home", "mix", "runs", "compare"):
        at.switch_page(f"pages/{page}.py").run()
        assert not at.exception, at.exception
        claims.append(_timing(f"the page {page} drawn again, {_size(space)}", _both(at.run, 5)))
    return claims


def foretold(folder: Path, steps: int) -> list[Claim]:
    """How far the estimated end of two trainings was off, in per cent of what was left, and of the whole time.

    The first has nothing to go by but itself; the second waits for it, and is foretold by it.
    """
    space = Workspace.open(folder)
    project = open_sample(space, "newsroom")
    stage = standing(space, project).stage
    assert stage is not None
    train = replace(project.recipe.train, steps=steps)
    project = replace(project, recipe=replace(project.recipe, train=train))
    plan = plan_launch(space, project, stage, {"gold only": Mix()}, [100, 101])
    ids = launch(space, project, stage, plan)
    guesses: dict[str, list[tuple[float, float]]] = {id: [] for id in ids}  # (monotonic, seconds left)
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    while len(ended) < len(ids):
        time.sleep(POLL)
        dispatch(space.root)
        left = pace.time_left(space)
        now = time.monotonic()
        for id in ids:
            run = space.store.get(id)
            if run.state == "running":
                began.setdefault(id, now)
            if not run.pending and id not in ended:
                assert run.state == "succeeded", run
                ended[id] = now
            elif id in left:
                guesses[id].append((now, left[id]))
    first, second = ids
    claims = [
        _off(f"a training of {steps} steps", guesses[first], began[first], ended[first], share) for share in SHARES
    ]
    waiting = [pair for pair in guesses[second] if pair[0] < began[second]]
    at = began[first] + SHARES[0] * (ended[first] - began[first])
    return [*claims, _off("one that waits for it", waiting, at, ended[second], 0.0)]


def _off(what: str, guesses: list[tuple[float, float]], began: float, ended: float, share: float) -> Claim:
    """The error of the guess that was made when so much of the time had passed."""
    at = began + share * (ended - began)
    when, left = next((pair for pair in guesses if pair[0] >= at), guesses[-1])
    error = when + left - ended
    percent = 100 * abs(error) / (ended - when)
    detail = {"guessed_left": left, "was_left": ended - when, "whole": ended - began, "unit": "s"}
    detail["percent_of_the_whole"] = 100 * abs(error) / (ended - began)
    name = f"end of {what}, foretold at {share:.0%}: off by" if share else f"end of {what}: off by"
    return {"name": name, "value": percent, "unit": "% of what was left", "detail": _round_all(detail)}


def _page(space: Workspace, view: View, number: int) -> None:
    """All that a page of the board asks of core: the groups, those that match, and the first of the page opened."""
    found = selected(board(space, projects.names(space)), view)
    shown = found[PAGE * (number - 1) : PAGE * number]
    assert shown and opened(space, shown[0].project, shown[0].group) is not None


def _by_folders(space: Workspace, project: str) -> list[tuple[float, int]]:
    """The board as it was: what each run reached, whether it is going on and has weights, from its folder."""
    out: list[tuple[float, int]] = []
    for group in groups(space, project):
        scores = [boards.best_dev(space.run_folder(run)) for run in group.finished]
        for run in group.runs.values():
            folder = space.run_folder(run.id)
            if read_object(folder / "result.json") is None:
                share_done(last_metrics(folder))
            (folder / "model").exists()
            boards.best_dev(folder)
        known = [score for score in scores if score is not None]
        out.append((statistics.fmean(known), len(group.runs)))
    return out


def _size(space: Workspace) -> str:
    names = projects.names(space)
    found = sum(len(history(space, name).groups) for name in names)
    return f"{len(space.store.list(kind='train')):,} runs in {found:,} groups"


def _both(act: Callable[[], object], times: int = TIMES) -> list[tuple[float, float]]:
    """Seconds that an act takes, by the clock and of the processor, each time."""
    out: list[tuple[float, float]] = []
    for _ in range(times):
        began, busy = time.perf_counter(), time.process_time()
        act()
        out.append((time.perf_counter() - began, time.process_time() - busy))
    return out


def _timed(act: Callable[[], object], times: int = TIMES) -> list[float]:
    return [seconds for seconds, _ in _both(act, times)]


def _timing(name: str, measured: list[tuple[float, float]]) -> Claim:
    """The median in milliseconds; the detail has the 95th percentile, and what of it the processor worked.

    On a machine that does other things at the same time the latter is what the code costs.
    """
    seconds, busy = zip(*measured, strict=True)
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    detail = {"p95_ms": round(1000 * p95, 1), "processor_ms": round(1000 * statistics.median(busy), 1)}
    detail |= {"seconds": _rounded(list(seconds))}
    return _claim(name, 1000 * statistics.median(seconds), "ms", **detail)


def _rounded(seconds: list[float]) -> list[float]:
    return [round(value, 4) for value in seconds]


def _round_all(detail: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 1) if isinstance(value, float) else value for name, value in detail.items()}


def _claim(name: str, value: float, unit: str, **detail: Any) -> Claim:
    return {"name": name, "value": value, "unit": unit, "detail": detail}


def crowd(quick: bool) -> list[Claim]:
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
        _claim("errors shown to 20 readers and 4 writers", len(errors), "", codes=sorted(set(errors)), **detail),
        _claim("events lost by the writers", lost, "", runs=len(done), events=3 * len(done)),
    ]


def _python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def supervisors(quick: bool) -> list[Claim]:
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
            imports.append(statistics.median(_timed(import_of_a_trainer, 1)))
    besides = statistics.median(totals) - statistics.median(imports)
    return [
        _claim("most memory of a supervisor", max(peaks), "MB", each=peaks),
        _claim("submit to the first line, besides the trainer's imports", besides, "s", totals=totals, imports=imports),
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
