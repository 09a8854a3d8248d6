"""Run the transfers of docs/transfer.md and print what came of them. Runs that are there already are not made again.

  python tools/transfers.py NAME [--workspace DIR] [--repeats N]     NAME: one of those in TRANSFERS; needs PEIBI_DATA

Each source as a start, as an ingredient and not at all, from the encoder as it is and from one that went on
pre-training first (target and sources alike), on dev. Then the best start is trained on fresh seeds beside gold only,
and gold only for as long as source and target take together, and test is looked at once.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.public import DATA, SHORT, WIKIGOLD, crossner, wnut17

SOURCE = {"steps": 300, "batch_tokens": 512, "evaluations": 1, "seeds": [0]}
FRESH = [*range(100, 105)]
AS_LONG = 750  # steps: those of source and target together, in batches of the target
PRETRAIN = ("--steps", "150", "--batch-tokens", "1024")
WIKIGOLD_DATA = {"file": WIKIGOLD["file"], "split": {"dev": 0.1, "seed": 0}}


@dataclass(frozen=True)
class Transfer:
    """`sources`: their data by name; `texts`: what pre-training reads; `maps`: as `--map` takes them, the source's name
    before the dot."""

    target: Mapping[str, Any]
    sources: Mapping[str, Mapping[str, Any]]
    texts: Mapping[str, Path]
    maps: Sequence[str] = ()


TRANSFERS: Mapping[str, Transfer] = {
    "crossner-ai": Transfer(
        crossner("ai"),
        {"politics": crossner("politics"), "science": crossner("science"), "wikigold": WIKIGOLD_DATA},
        {name: Path(crossner(name)["train"]) for name in ("politics", "science")},
        ("wikigold.PER=person", "wikigold.LOC=location", "wikigold.ORG=organisation"),
    ),
    "wnut17": Transfer(
        wnut17(300),
        {"wikigold": WIKIGOLD_DATA},
        {name: DATA / "wnut17" / f"unlabelled_{name}.txt" for name in ("reddit", "stackexchange")},
        ("wikigold.PER=person", "wikigold.LOC=location", "wikigold.ORG=group"),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(TRANSFERS))
    parser.add_argument("--workspace", default="workspace")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--ways", default="target,longer,sequential,joint")
    args = parser.parse_args()
    study, place = TRANSFERS[args.name], Path(args.workspace)
    place.mkdir(parents=True, exist_ok=True)
    texts = {f"{name}-text": {"file": str(file), "options": {"unlabelled": True}} for name, file in study.texts.items()}

    def write(name: str, project: str, data: Mapping[str, Any], train: Mapping[str, Any], more: Any = None) -> str:
        recipe = {"version": 1, "project": project, "data": data, "train": train, "ingredients": more or {}}
        path = place / f"{name}.yaml"
        path.write_text(json.dumps(recipe, indent=1), encoding="utf-8")
        return str(path)

    def core(*line: str, said: bool = False) -> Any:
        command = [sys.executable, "-m", "core", *line, "--workspace", args.workspace, *(["--json"] if said else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE if said else None, check=True)
        return json.loads(done.stdout) if said else None

    plain = write(args.name, args.name, study.target, SHORT, texts)
    tried = (*("--repeats", str(args.repeats)), "--ways", args.ways)
    found: list[dict[str, Any]] = []
    for start in ("as it is", "pre-trained"):
        model, mark = {}, ""
        if start == "pre-trained":
            begun = core("pretrain", plain, *PRETRAIN, said=True)
            print(f"\nPre-training: {begun['before']:.0f} to {begun['after']:.0f} on rows kept apart ({begun['name']})")
            model, mark = {"model": begun["name"]}, "-mlm"
        target = write(args.name + mark, args.name, study.target, SHORT | model, texts)
        sources = [write(name + mark, name + mark, data, SOURCE | model) for name, data in study.sources.items()]
        maps = [part for one in study.maps for part in ("--map", one.replace(".", f"{mark}.", 1))]
        print(f"\nThe encoder {start}:\n", flush=True)
        core("sources", target, *sources, *tried, *maps)
        found += core("sources", target, *sources, *tried, *maps, said=True)["ways"]
    print("\nGold only, pre-trained against as it is:\n", flush=True)
    core("compare", plain, str(place / f"{args.name}-mlm.yaml"))
    best = max((one for one in found if one["way"] in ("target", "sequential")), key=lambda one: one["f1"])
    print(f"\nFresh seeds, test: {best['source'] or 'gold only'}, {best['way']}:\n", flush=True)
    fresh = [
        write(f"{args.name}-{name}", args.name, study.target, SHORT | {"seeds": FRESH} | train, texts)
        for name, train in (("as-long", {"steps": AS_LONG}), ("fresh", {}), ("best", {"model": best["model"]}))
    ]
    for path in fresh:
        core("run", path, said=True)
    core("compare", *fresh, "--split", "test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
