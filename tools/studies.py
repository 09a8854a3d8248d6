"""Train the studies of docs/studies.md and print their tables. Runs that are there already are not trained again.

  python tools/studies.py NAME [--workspace DIR] [--no-verdicts]     NAME: one of those in STUDIES; needs PEIBI_DATA

Writes the recipes into the workspace's folder, runs each with `python -m core run`, and compares each with the first.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from core import estimate as estimates
from core.jobs.folder import events, json_lines, resources_file
from core.workspace import Workspace
from tools.public import CHILDREN, DATA, SHORT, WIKIGOLD, crossner, neighbours, wnut17

SEEDS = [0, 1, 2, 3, 4]
FEW = {"steps": 150, "batch_tokens": 512}  # four epochs of little gold are too few steps for anything to be learned
FRESH = [*range(100, 108)]
METHODS: Mapping[str, Mapping[str, Any]] = {
    "full": {},
    "low-rank updates": {"method": "lora"},
    "head alone": {"method": "frozen"},
    "solved head, then full": {"head": "solved"},
    "adversarial": {"adversarial": 1.0},
}
PRETRAIN = ("--steps", "150", "--batch-tokens", "1024")
POOLS: Mapping[str, Mapping[str, Any]] = {**CHILDREN, "wikigold": WIKIGOLD}
ONE_EACH: Mapping[str, Mapping[str, Any]] = {  # what a probe likes best (bench/augment_quality.py), and two controls
    "1x segments shuffled": {"augmenter": "shuffle_segments"},
    "1x tokens": {"augmenter": "token_replacement"},
    "1x graph": {"augmenter": "graph"},
    "1x back-translation": {"augmenter": "back_translation"},
    "1x synonyms": {"augmenter": "synonym"},
    "control: duplicates": {"augmenter": "duplicate"},
    "control: labels shuffled": {"augmenter": "label_shuffle"},
}
CONSISTENT: Mapping[str, Mapping[str, Any]] = {"gold only": {}, "gold + consistency": {"consistency": "more"}}
FEW_TEXTS: Mapping[str, Mapping[str, Any]] = {
    "prototypes": {"method": "frozen", "head": "prototypes"},
    "zero shot": {"method": "frozen", "head": "described"},
    "nearest neighbour": {"method": "frozen", "head": "neighbours"},
    "contrastive": {"method": "contrastive", "evaluations": 1},
}
FEW_SENTENCES: Mapping[str, Mapping[str, Any]] = {
    "nearest neighbour": {"method": "frozen", "head": "neighbours"},
    "prototypes": {"method": "frozen", "head": "prototypes"},
    "all weights": {"steps": 40, "batch_tokens": 512, "evaluations": 1},
}
ZERO: Mapping[str, Any] = {"method": "frozen", "head": "described", "seeds": [0]}
DESCRIBED: Mapping[str, Mapping[str, str]] = {  # what labels mean, as it was written without looking at dev
    "wnut17": {
        "person": "the name of a person",
        "location": "the name of a place, such as a city, a country or a street",
        "corporation": "the name of a company or business",
        "group": "the name of a band, sports team or organisation",
        "creative-work": "the title of a film, song, book, TV show or game",
        "product": "the name of a product, such as a phone, a car or an app",
    },
    "politics": {
        "country": "the name of a country",
        "election": "the name of an election",
        "event": "the name of an event, such as a war, a conference or a treaty",
        "location": "the name of a city, region or place",
        "misc": "a nationality, language, ideology or other name",
        "organisation": "the name of an organisation, agency or institution",
        "person": "the name of a person who is not a politician",
        "politicalparty": "the name of a political party",
        "politician": "the name of a politician, president or minister",
    },
}
DESIGN: Mapping[str, Mapping[str, float]] = {  # eight mixes of 300 gold sentences: amounts, times gold
    "gold only": {},
    "1x swaps": {"swaps": 1},
    "1x synonyms": {"synonyms": 1},
    "1x tokens": {"tokens": 1},
    "1x wikigold": {"wikigold": 1},
    ".5x each": {"swaps": 0.5, "synonyms": 0.5, "tokens": 0.5, "wikigold": 0.5},
    "2x wikigold": {"wikigold": 2},
    "1x swaps, 1x wikigold": {"swaps": 1, "wikigold": 1},
}


@dataclass(frozen=True)
class Case:
    """A recipe of a study. `test`: whether the test split is looked at; `pretrain`: options of `core pretrain`, whose
    model the recipe then begins with."""

    name: str
    recipe: Mapping[str, Any]
    test: bool = False
    pretrain: Sequence[str] = ()


def _wnut(train: Mapping[str, Any], rows: int | None = None) -> dict[str, Any]:
    return {"data": wnut17(rows), "train": {"seeds": SEEDS} | dict(train)}


def _mixed(parts: Mapping[str, float], seeds: Sequence[int]) -> dict[str, Any]:
    recipe = _wnut(FEW | {"seeds": [*seeds]}, 300)
    if not parts:
        return recipe
    used = {name: POOLS[name] for name in parts}
    return recipe | {"ingredients": used, "mix": {"parts": {"gold": 1} | dict(parts)}}


def _children(rows: int) -> list[Case]:
    """Gold, and gold with one child of each sentence by a method, in as many steps."""
    recipe = _wnut(SHORT | {"seeds": FRESH}, rows)
    cases = [Case("gold only", recipe, test=True)]
    for name, entry in ONE_EACH.items():
        mix = {"ingredients": {"children": entry}, "mix": {"parts": {"gold": 1, "children": 1}}}
        cases.append(Case(name, recipe | mix, test=True))
    return cases


def _consistent(recipe: Mapping[str, Any], file: Path) -> list[Case]:
    """Gold, and gold with consistency on the whole file that it was drawn from, without its labels. Dev alone."""
    more = {"ingredients": {"more": {"file": str(file), "options": {"unlabelled": True}}}}
    return [Case(name, recipe | more | {"train": recipe["train"] | train}) for name, train in CONSISTENT.items()]


def _pretrained(recipe: Mapping[str, Any], texts: Mapping[str, Path]) -> list[Case]:
    """Gold, and gold from a start that went on pre-training on text without labels. Dev alone."""
    more = {name: {"file": str(file), "options": {"unlabelled": True}} for name, file in texts.items()}
    whole = recipe | {"ingredients": more, "train": SHORT | {"seeds": SEEDS}}
    return [Case("gold only", whole), Case("pre-trained start", whole, pretrain=PRETRAIN)]


def _ai(parts: Mapping[str, float]) -> dict[str, Any]:
    recipe = {"data": crossner("ai"), "train": {"seeds": SEEDS} | FEW}
    return recipe | (
        {"ingredients": neighbours("ai", "politics", "science"), "mix": {"parts": {"gold": 1} | dict(parts)}}
        if parts
        else {}
    )


def _weibo(model: str) -> dict[str, Any]:
    splits = {split: str(DATA / "weibo" / f"{split}.conll") for split in ("train", "dev", "test")}
    return {"language": "zh", "data": splits, "train": {"seeds": SEEDS, "model": model}}


def _banking(train: Mapping[str, Any], rows: int | None = None) -> dict[str, Any]:
    splits: dict[str, Any] = {split: str(DATA / "banking77" / f"{split}.csv") for split in ("train", "test")}
    data = splits | ({"train_rows": rows} if rows else {})
    return {"task": "classification", "data": data, "train": dict(train)}


def _few(recipe: Mapping[str, Any], shots: int, ways: Mapping[str, Mapping[str, Any]]) -> list[Case]:
    """Ten draws of so many rows of each label; what looks at no row is trained once."""
    cases: list[Case] = []
    for name, way in ways.items():
        seeds = [0] if way.get("head") == "described" else [*range(10)]
        train = dict(recipe.get("train", {})) | dict(way) | {"seeds": seeds}
        cases.append(Case(name, {**recipe, "mix": {"shots": shots, "draw_per_seed": True}, "train": train}, test=True))
    return cases


def _zero(recipe: Mapping[str, Any], told: Mapping[str, str]) -> list[Case]:
    """Labels by their names, and by descriptions. Dev alone."""
    ways = {"names of the labels": ZERO, "descriptions written": ZERO | {"descriptions": told}}
    return [Case(name, {**recipe, "train": way}) for name, way in ways.items()]


def _of_wikigold() -> str:
    """A training on WikiGold in the workspace, as others begin with it."""
    file = str(DATA / "wikigold" / "wikigold.conll.txt")
    recipe = {"data": {"file": file, "split": {"dev": 0.1, "seed": 0}}, "train": {"seeds": [0]}}
    folder = _place / "studies" / "wikigold"
    folder.mkdir(parents=True, exist_ok=True)
    return f"run:{_run(folder, 0, 'wikigold', Case('wikigold', recipe))['runs'][0]['id']}"


def _by_methods(rows: int | None) -> list[Case]:
    steps = {} if rows is None else FEW
    return [Case(name, _wnut(steps | dict(method), rows)) for name, method in METHODS.items()]


STUDIES: Mapping[str, Callable[[], list[Case]]] = {
    "wnut17": lambda: [Case("gold only", _wnut({}), test=True)],
    "methods-100": lambda: _by_methods(100),
    "methods-300": lambda: _by_methods(300),
    "methods-3394": lambda: _by_methods(None),
    "mixes": lambda: [Case(name, _mixed(parts, SEEDS[:2])) for name, parts in DESIGN.items()],
    "best": lambda: [Case(name, _mixed(DESIGN[name], FRESH), test=True) for name in ("gold only", _best_mix())],
    "children-150": lambda: _children(150),
    "consistency-wnut17": lambda: _consistent(_wnut(SHORT, 300), DATA / "wnut17" / "train.conll"),
    "consistency-banking77": lambda: _consistent(
        _banking(SHORT | {"seeds": SEEDS}, 385), DATA / "banking77" / "train.csv"
    ),
    "pretrain-wnut17": lambda: _pretrained(
        _wnut({}, 300), {name: DATA / "wnut17" / f"unlabelled_{name}.txt" for name in ("reddit", "stackexchange")}
    ),
    "pretrain-crossner-ai": lambda: _pretrained(
        {"data": crossner("ai")}, {name: Path(crossner(name)["train"]) for name in ("politics", "science")}
    ),
    "banking77": lambda: [Case("defaults", _banking({"seeds": SEEDS[:3]}), test=True)],
    "shots-banking77": lambda: _few(_banking({}), 8, FEW_TEXTS),
    "shots-wnut17": lambda: _few(_wnut({"model": _of_wikigold()}), 5, FEW_SENTENCES),
    "zero-wnut17": lambda: _zero(_wnut({}), DESCRIBED["wnut17"]),
    "zero-politics": lambda: _zero({"data": crossner("politics")}, DESCRIBED["politics"]),
    "weibo": lambda: [Case(name, _weibo(name), test=True) for name in ("all-MiniLM-L6-v2", "multilingual-e5-small")],
    "crossner-ai": lambda: [
        Case("gold only", _ai({}), test=True),
        Case("+ 1x politics, 1x science", _ai({"politics": 1, "science": 1}), test=True),
    ],
}


def _best_mix() -> str:
    """The mix of the design that is best on dev, gold only aside."""
    found = {case.name: result for case, result in zip(STUDIES["mixes"](), _results("mixes"), strict=True)}
    del found["gold only"]
    return max(found, key=lambda name: found[name]["scores"]["dev"]["metrics"]["f1"]["mean"])


_place = Path("workspace")


def _results(name: str) -> list[dict[str, Any]]:
    """What `python -m core run` says of each case."""
    folder = _place / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    return [_run(folder, number, name, case) for number, case in enumerate(STUDIES[name]())]


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number}.yaml"


def _run(folder: Path, number: int, study: str, case: Case) -> dict[str, Any]:
    """A recipe is JSON here, which is YAML too."""
    recipe = {"version": 1, "project": f"study-{study}", **case.recipe}
    print(f"== {study}: {case.name}", file=sys.stderr, flush=True)
    _file(folder, number).write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
    if case.pretrain:
        begun = _core("pretrain", _file(folder, number), *case.pretrain)
        print(json.dumps(begun), file=sys.stderr, flush=True)
        recipe["train"] = {**recipe["train"], "model": begun["name"]}
        _file(folder, number).write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
    return _core("run", _file(folder, number), *([] if case.test else ["--no-test"]))


def _core(command: str, file: Path, *options: str) -> dict[str, Any]:
    """What a command says of a recipe."""
    line = [sys.executable, "-m", "core", command, str(file), "--workspace", str(_place), "--json", *options]
    done = subprocess.run(line, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{command} {file}: {done.stdout.decode()}")
    return json.loads(done.stdout)


def _table(name: str, verdicts: bool) -> None:
    cases, found = STUDIES[name](), _results(name)
    split = "test" if cases[0].test else "dev"
    print(f"| {name} | repeats | steps | dev F1 (sd) | test F1 (sd) | processor seconds a run | took / expected |")
    print("|---|---|---|---|---|---|---|")
    for case, result in zip(cases, found, strict=True):
        seconds = statistics.median(_processor(run["id"]) for run in result["runs"])
        scores = [_score(result["scores"][which]) for which in ("dev", "test")]
        columns = [case.name, result["seeds_used"], result["mix"]["steps"], *scores, f"{seconds:.0f}"]
        columns.append(_against_estimates([run["id"] for run in result["runs"]]))
        print(f"| {' | '.join(map(str, columns))} |", flush=True)
    for number, case in enumerate(cases[1:] if verdicts else (), 1):
        files = [str(_file(_place / "studies" / name, at)) for at in (0, number)]
        command = [sys.executable, "-m", "core", "compare", *files, "--workspace", str(_place), "--split", split]
        print(f"\n{case.name} against {cases[0].name}:\n", flush=True)
        subprocess.run(command, check=False)


def _processor(run: str) -> float:
    """Seconds of one core that a run's attempts took, by what its supervisor noted of its trainer every few seconds."""
    folder, found = _place / "runs" / run, 0.0
    for begin, end in pairwise(events(folder)):
        if begin["to"] == "running":
            lines = json_lines(resources_file(folder, begin["attempt"]))
            times = [begin["t"], *(line["t"] for line in lines), end["t"]]
            cores = [line["cpu"] for line in [*lines, *lines[-1:]]]
            found += sum(one * (after - before) for one, (before, after) in zip(cores, pairwise(times), strict=False))
    return found


def _against_estimates(runs: Sequence[str]) -> str:
    """The least and the most that runs took, as a part of what was expected of them at their launch."""
    space = Workspace(_place)
    found = [took for run in runs if (took := estimates.took(space, space.store.get(run))) is not None]
    parts = [one.seconds / one.expected.seconds for one in found if one.seconds and one.expected.seconds]
    return f"{min(parts):.2f} to {max(parts):.2f}" if parts else "-"


def _score(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "not looked at"
    f1 = scores["metrics"]["f1"]
    return f"{100 * f1['mean']:.1f}" + (f" ({100 * f1['sd']:.1f})" if f1["sd"] is not None else "")


def main() -> int:
    global _place  # noqa: PLW0603 -- a script of one workspace
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--workspace", type=Path, default=_place)
    parser.add_argument("--no-verdicts", action="store_true")
    args = parser.parse_args()
    _place = args.workspace.resolve()
    _table(args.name, not args.no_verdicts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
