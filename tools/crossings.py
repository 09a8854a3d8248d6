"""Which method wins with how many labelled rows: the study of docs/few-shot.md, its table and its picture.

python tools/crossings.py NAME [--workspace DIR] [--draws N] [--picture FILE]     NAME: one of those in STUDIES; needs
PEIBI_DATA. Trainings that are there already are not made again. Dev alone is read.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.report.shots import Line, by_rows
from core.report.still import png
from tools.public import DATA, SHORT, WIKIGOLD, wnut17


@dataclass(frozen=True)
class Study:
    """`recipe`: of the project, its mix included; `methods`: as `python -m core shots` takes them."""

    recipe: Mapping[str, Any]
    methods: Sequence[str]


STUDIES: Mapping[str, Study] = {
    "wnut17": Study(
        {
            "data": wnut17(),
            "ingredients": {"wikigold": WIKIGOLD},
            "mix": {"parts": {"gold": 1, "wikigold": {"amount": 300, "unit": "rows"}}, "max_repeats": 4},
            "train": SHORT,
        },
        ("prototypes", "neighbours", "frozen", "lora", "full", "mix"),
    ),
    "banking77": Study(
        {
            "task": "classification",
            "data": {"train": str(DATA / "banking77" / "train.csv"), "test": str(DATA / "banking77" / "test.csv")},
            "ingredients": {"spelling": {"augmenter": "spelling"}},
            "mix": {"parts": {"gold": 1, "spelling": 1}},
            "train": SHORT | {"batch_tokens": 1024, "head": "solved"},
        },
        ("described", "prototypes", "neighbours", "contrastive", "full", "mix"),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(STUDIES))
    parser.add_argument("--workspace", default="workspace")
    parser.add_argument("--draws", default="10")
    parser.add_argument("--shots", default="1,5,10,50")
    parser.add_argument("--methods")
    parser.add_argument("--picture", type=Path, help="a PNG file; needs a browser")
    args = parser.parse_args()
    study, folder = STUDIES[args.name], Path(args.workspace)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"crossing-{args.name}.yaml"
    path.write_text(json.dumps({"version": 1, "project": f"crossing-{args.name}", **study.recipe}), encoding="utf-8")
    asked = ("--shots", args.shots, "--draws", args.draws, "--methods", args.methods or ",".join(study.methods))
    command = [sys.executable, "-m", "core", "shots", str(path), *asked, "--workspace", args.workspace]
    status = subprocess.run(command, check=False).returncode
    if args.picture and not status:
        told = json.loads(subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True).stdout)
        draw(told["points"], args.picture)
    return status


def draw(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The picture that Compare shows."""
    by: dict[str, list[tuple[float, float, tuple[float, float]]]] = {}
    for one in points:
        by.setdefault(one["method"], []).append((one["rows"], one["f1"], tuple(one["interval"])))
    words = {"axis": "Labelled rows", "score": "F1", "rows": "labelled rows"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(by_rows([Line(name, found) for name, found in by.items()], words)))


if __name__ == "__main__":
    sys.exit(main())
