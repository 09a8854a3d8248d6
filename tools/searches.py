"""Search for mixes as docs/search.md reports it: confirmed on eight fresh seeds, test looked at once.

    python tools/searches.py NAME [--workspace DIR] [--runs 40] [--report FILE]      NAME: of CASES; needs PEIBI_DATA

Trainings that are there already count and are not made again, so what was stopped goes on where it was. Prints what
`python -m core search` does; with --report gold's learning curve is drawn, too, and the report written (docs/reports).
"""

import argparse
import csv
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.public import CHILDREN, DATA, SHORT, WIKIGOLD, crossner, neighbours, wnut17

OF_TEXTS: Mapping[str, Mapping[str, Any]] = {
    "synonyms": {"augmenter": "synonym"},
    "swapped": {"augmenter": "swap"},
    "back": {"augmenter": "back_translation"},
    "spelling": {"augmenter": "spelling"},
}
SHOTS, DEV_SHOTS = 5, 10  # rows of each class of Banking77
LABELLER = 900  # the seed of the run that labels text: no search comes so far
CONFIDENCE = 0.5


def _wnut17(rows: int) -> dict[str, Any]:
    licences = {"gold": "CC BY 4.0", "wikigold": "CC BY 4.0"}
    return {"data": wnut17(rows), "ingredients": {**CHILDREN, "wikigold": WIKIGOLD}, "licences": licences}


def _known(_: Path) -> dict[str, Any]:
    """300 sentences of WNUT-17, over the trainings that forecasts are held against (bench/forecast_runs.py): they are
    made first, as far as they are not there, and count as known."""
    script = Path(__file__).parents[1] / "bench" / "forecast_runs.py"
    subprocess.run([sys.executable, str(script), "wnut17", "--workspace", str(_place)], check=True)
    return _wnut17(300) | {"project": "forecast-wnut17"}


def _crossner(domain: str, *others: str) -> dict[str, Any]:
    licences = dict.fromkeys(("gold", *others), "MIT")
    return {"data": crossner(domain), "ingredients": {**CHILDREN, **neighbours(domain, *others)}, "licences": licences}


def banking77(folder: Path) -> dict[str, Any]:
    """Five texts of each class as gold, ten as dev; what is left of train is text without labels, which a run on gold
    alone labels."""
    with (DATA / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"].strip(), row["category"]) for row in csv.DictReader(file)]
    random.Random(0).shuffle(rows)
    by_class = defaultdict[str, list[tuple[str, str]]](list)
    for row in rows:
        by_class[row[1]].append(row)
    there = [*by_class.values()]
    _write(folder / "train.csv", [row for some in there for row in some[:SHOTS]])
    _write(folder / "dev.csv", [row for some in there for row in some[SHOTS : SHOTS + DEV_SHOTS]])
    _write(folder / "more.csv", [row[:1] for some in there for row in some[SHOTS + DEV_SHOTS :]])
    files = {"train": "train.csv", "dev": "dev.csv", "test": str(DATA / "banking77" / "test.csv")}
    recipe: dict[str, Any] = {"task": "classification", "data": files, "licences": {"gold": "CC BY 4.0"}}
    found = _core(folder, "gold", recipe | {"train": SHORT | {"seeds": [LABELLER]}}, "run", "--no-test", "--json")
    labelled = {"model": f"run:{json.loads(found)['runs'][0]['id']}", "confidence": CONFIDENCE}
    text = {"more": {"file": "more.csv", "options": {"unlabelled": True}}}
    named = {"named": {"augmenter": "pseudo_labels", "of": "more", "params": labelled}}
    return recipe | {"ingredients": {**OF_TEXTS, **text, **named}}


def _write(file: Path, rows: Sequence[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "category")[: len(rows[0])], *rows])


CASES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "wnut17": lambda _: _wnut17(300),
    "wnut17-known": _known,
    "wnut17-150": lambda _: _wnut17(150),
    "politics": lambda _: _crossner("politics", "science"),
    "ai": lambda _: _crossner("ai", "politics", "science"),
    "banking77": banking77,
}
_place = Path("workspace")


def _core(folder: Path, name: str, recipe: Mapping[str, Any], command: str, *options: str) -> str:
    """What a command says of a recipe, which is JSON here, which is YAML too."""
    file = folder / f"{name}.yaml"
    whole = {"version": 1, "project": f"search-{folder.name}-{name}", "train": SHORT} | recipe
    file.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    run = [sys.executable, "-m", "core", command, str(file), *options, "--workspace", str(_place)]
    done = subprocess.run(run, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(done.stdout.decode())
    return done.stdout.decode()


def main() -> int:
    global _place  # noqa: PLW0603 -- a script of one workspace
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CASES)
    parser.add_argument("--workspace", type=Path, default=_place)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    _place = args.workspace.resolve()
    folder = _place / "searches" / args.name
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--runs", str(args.runs), "--confirm", "--test"]
    recipe = CASES[args.name](folder)
    print(_core(folder, "mix", recipe, "search", *options))
    if args.report:
        print(_core(folder, "mix", recipe, "curve"))
        print(_core(folder, "mix", recipe, "report", "--out", str(args.report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
