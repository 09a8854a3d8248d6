"""Public data sets as parts of recipes, for studies and benches. PEIBI_DATA names the folder that they lie in."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("PEIBI_DATA", "."))
SHORT = {"steps": 150, "batch_tokens": 256, "frozen_layers": 3, "evaluations": 1}  # for many mixes: a third of the time
CHILDREN: Mapping[str, Mapping[str, Any]] = {  # of sentences with names
    "swaps": {"augmenter": "mention_replacement"},
    "tokens": {"augmenter": "token_replacement"},
    "synonyms": {"augmenter": "synonym"},
    "shuffled": {"augmenter": "shuffle_segments"},
    "back": {"augmenter": "back_translation"},
    "spelling": {"augmenter": "spelling"},
}
WIKIGOLD: Mapping[str, Any] = {
    "file": str(DATA / "wikigold" / "wikigold.conll.txt"),
    "labels": {"PER": "person", "LOC": "location", "ORG": "group", "MISC": None},
}


def wnut17(rows: int | None = None) -> dict[str, Any]:
    """Its splits. `rows`: of train, all without."""
    splits: dict[str, Any] = {split: str(DATA / "wnut17" / f"{split}.conll") for split in ("train", "dev", "test")}
    return splits | ({"train_rows": rows} if rows else {})


def crossner(domain: str) -> dict[str, Any]:
    """The splits of a domain of CrossNER."""
    return {split: str(DATA / "crossner" / domain / f"{split}.txt") for split in ("train", "dev", "test")}


def neighbours(domain: str, *others: str) -> dict[str, Any]:
    """Other domains as ingredients of one: what it has no label for is masked."""
    known = _labels(domain)
    return {
        other: {
            "file": crossner(other)["train"],
            "labels": {label: label if label in known else None for label in sorted(_labels(other))},
        }
        for other in others
    }


def _labels(domain: str) -> set[str]:
    lines = Path(crossner(domain)["train"]).read_text(encoding="utf-8").split("\n")
    return {line.split()[-1][2:] for line in lines if line.strip() and not line.endswith("O")}
