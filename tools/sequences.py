"""Run the sequences of docs/continual.md and print what came of them. Runs that are there already are not made again.

  python tools/sequences.py NAME [--workspace DIR] [--repeats N]     NAME: one of those in SEQUENCES; needs PEIBI_DATA

Dev alone is read: with one look, at the end of a step, nothing is chosen by it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.report.steps import steps_map
from core.report.still import png
from core.sequence_outcome import outcome
from core.sequences import sequences
from core.workspace import Workspace
from tools.public import SHORT, crossner

WAYS = "plain,mask,distil,ewc,replay,replay_distil,adapters,joint"
SEQUENCES: Mapping[str, Sequence[str]] = {
    "politics-science-ai": ("politics", "science", "ai"),
    "ai-science-politics": ("ai", "science", "politics"),
}
TRAIN = SHORT | {"steps": 120}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(SEQUENCES))
    parser.add_argument("--workspace", default="workspace")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--methods", default=WAYS)
    parser.add_argument("--pictures", type=Path, help="a folder for a map of steps of each way, as PNG")
    args = parser.parse_args()
    folder = Path(args.workspace)
    folder.mkdir(parents=True, exist_ok=True)
    recipes: list[str] = []
    for domain in SEQUENCES[args.name]:
        data = {split: file for split, file in crossner(domain).items() if split != "test"}
        recipe = {"version": 1, "task": "tagging", "data": data, "project": domain, "train": TRAIN}
        path = folder / f"{domain}.yaml"
        path.write_text(json.dumps(recipe, indent=1), encoding="utf-8")
        recipes.append(str(path))
    more = ("--methods", args.methods, "--repeats", str(args.repeats), "--workspace", args.workspace)
    status = subprocess.run([sys.executable, "-m", "core", "sequence", *recipes, *more], check=False).returncode
    if args.pictures and not status:
        draw(folder, args.name, args.pictures)
    return status


def draw(workspace: Path, name: str, folder: Path) -> None:
    """A map of steps of each way; needs a browser."""
    space, domains = Workspace(workspace), [*SEQUENCES[name]]
    folder.mkdir(parents=True, exist_ok=True)
    for one in outcome(space, sequences(space, domains[-1])[0]):
        figure = steps_map(one.course.scores.mean(axis=0), domains, {"after": "after step", "on": "F1 on dev of"})
        (folder / f"steps-{name}-{one.method}.png").write_bytes(png(figure))


if __name__ == "__main__":
    sys.exit(main())
