"""What looking at a workspace of many runs costs: the first time, and once folders are remembered; and cleaning it up.

    python bench/care.py [--runs 10000] [--json] [--quick]

The folders are those of trainings that ended, as many files and bytes, without the training.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.care import batches
from core.care.cleaning import clean, plan
from core.care.tables import by_corpus, by_project, by_run, owned
from core.care.trash import empty
from core.care.usage import by_kind, usage
from core.runs import RunSpec
from core.workspace import Workspace
from tools.claims import tell


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="1,000 runs")
    args = parser.parse_args()
    runs = 1000 if args.quick else args.runs
    with tempfile.TemporaryDirectory() as folder:
        claims = measured(Workspace.open(Path(folder)), runs)
    tell(claims, args.json)
    return 0


def measured(space: Workspace, runs: int) -> list[dict[str, Any]]:
    make(space, runs)
    claims: list[dict[str, Any]] = []

    def told(name: str, act: Callable[[], Any]) -> Any:
        began, cpu = time.perf_counter(), time.process_time()
        found = act()
        claims.append(
            {
                "name": name,
                "value": time.perf_counter() - began,
                "unit": "s",
                "detail": {"runs": runs, "cpu": time.process_time() - cpu},
            }
        )
        return found

    told("the first look", lambda: usage(space))
    found = told("a look, nothing changed", lambda: usage(space))
    told("a look of 0.3 s without memory", lambda: (_forget(space), usage(space, 0.3)))
    found = usage(space)
    told("the table by kind", lambda: by_kind(found))
    told("the table by run", lambda: by_run(space, found))
    having = told("what belongs to each project", lambda: owned(space, found))
    told("the table by project", lambda: by_project(found, having))
    told("the table by corpus", lambda: by_corpus(space, found, having))
    planned = told("the plan to clean up weights", lambda: plan(space, found, ["weights"]))
    batch = told("writing it down", lambda: batches.begin(space, planned.items))
    told("carrying it out", lambda: clean(space, batch, lambda done, of: None))
    told("undoing it", lambda: batches.undo(space, batch.name))
    batch = batches.begin(space, planned.items)
    clean(space, batch, lambda done, of: None)
    told("emptying the trash", lambda: empty(space, [batch.name]))
    return claims


def _forget(space: Workspace) -> None:
    (space.root / "cache" / "disk-use.json").unlink()


def make(space: Workspace, runs: int) -> None:
    """Folders of trainings that succeeded, eight repeats a mix, with weights."""
    corpora = {"gold": f"corpus:{'a' * 64}", "dev": f"corpus:{'b' * 64}", "model": f"model:{'c' * 64}"}
    for number in range(runs):
        params = {"seed": number % 8, "labels": ["A"], "train": {"steps": 1 + number // 8}}
        spec = RunSpec("train", corpora, params)
        folder = space.run_folder(spec.id)
        (folder / "model").mkdir(parents=True, mode=0o700)
        run = {"id": spec.id, "kind": "train", "state": "succeeded", "attempt": 1, "position": number}
        run |= {"submitted": 1.0 + number, "started": 1.0, "ended": 2.0, "error": None}
        texts = {"spec.json": spec.to_json(), "resolved.json": {"inputs": {}}, "run.json": run}
        texts |= {"result.json": {"best_dev": 0.5}, "exit.json": {"attempt": 1}, "model/model.json": {}}
        for name, value in texts.items():
            (folder / name).write_text(json.dumps(value))
        for name in ("log.txt", "metrics-1.jsonl", "predictions-b.arrow", "model/trained.safetensors", "lock"):
            (folder / name).write_bytes(b"x" * 100)
    space.store.rebuild()
    time.sleep(2.5)  # what was written in this moment is not remembered yet


if __name__ == "__main__":
    sys.exit(main())
