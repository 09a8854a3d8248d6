"""The Compare page over many groups: 50 mixes, 8 repeats each, 20 labels, 1,000 sentences of dev.

Drawn by the server, Streamlit included, without a browser: for the first time (no counts known, in a process that has
drawn another page before), drawn again, and for another mix looked at closely. Beside it what a percentile bootstrap of
the same differences costs, for one pair, times the number of mixes.

  python bench/compare.py [--quick] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.evaluation.scoring import bootstrap
from core.groups import counts_of, groups
from core.jobs.machine import Machine
from core.workspace import Workspace
from tests.crowd import fill, retest

ROOT = Path(__file__).parents[1]
PROJECT = "wide"
LABELS = tuple(f"label{at:02d}" for at in range(20))
WORDS = 25  # of a sentence
RIGHT = 0.8  # of the mentions are predicted as they are


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 mixes")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Workspace.open(Path(folder)), 10 if args.quick else 50)
    if args.json:
        machine = Machine.here()
        print(json.dumps({"machine": {"flags": machine.flags, "threads": machine.threads}, "claims": found}))
        return 0
    for one in found:
        print(f"{one['name']:<72} {one['value']:>8.2f} {one['unit']}")
    return 0


def measured(space: Workspace, mixes: int) -> list[dict[str, Any]]:
    fill(space, [PROJECT], mixes, 8)
    widen(space, mixes, rows=1000)
    os.environ["PEIBI_HOME"] = str(space.root)
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    at.query_params["project"] = PROJECT
    at.run()
    what = f"{mixes} mixes, 8 repeats, {len(LABELS)} labels, 1,000 sentences"
    first = timed(lambda: at.switch_page("pages/compare.py").run())
    assert not at.exception, at.exception
    again = [timed(at.run) for _ in range(5)]
    against = next(box for box in at.selectbox if box.key == "against")
    other = [timed(lambda option=option: against.set_value(option).run()) for option in against.options[1:4]]
    assert not at.exception, at.exception
    found = groups(space, PROJECT)[:2]
    pair = [counts_of(space, group, "dev") for group in found]
    drawn = timed(lambda: [bootstrap(one, 2000, np.random.default_rng(0), np.random.default_rng(1)) for one in pair])
    return [
        claim(f"Compare for the first time: {what}", first, seconds=[first]),
        claim("the same page drawn again", statistics.median(again), seconds=again),
        claim("another mix looked at closely", statistics.median(other), seconds=other),
        claim("a bootstrap of all these differences would take", drawn * mixes / 2 + drawn / 2, one_pair=drawn),
    ]


def widen(space: Workspace, mixes: int, rows: int) -> None:
    """Another dev for all groups of the project: twenty labels, and predictions that differ from run to run."""
    rng = np.random.default_rng(0)
    gold = tags(rng, rows)
    runs = [
        [np.where(rng.random(gold.shape) < RIGHT, gold, tags(rng, rows)).tolist() for _ in range(8)]
        for _ in range(mixes)
    ]
    retest(space, PROJECT, gold.tolist(), runs, LABELS)


def tags(rng: np.random.Generator, rows: int) -> np.ndarray:
    """One word in ten is a mention by itself."""
    names = np.array([f"B-{label}" for label in LABELS], dtype=object)
    return np.where(rng.random((rows, WORDS)) < 0.1, names[rng.integers(0, len(LABELS), (rows, WORDS))], "O")


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def claim(name: str, value: float, **detail: Any) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": "s", "detail": detail}


if __name__ == "__main__":
    sys.exit(main())
