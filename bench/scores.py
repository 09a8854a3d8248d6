"""Seconds from predictions to scores: a million tokens against seqeval, and the interval of two groups of runs.

Tokens: rows of 25, 6 % of which begin a mention of one to three tokens under one of six labels; four of five mentions
are predicted right, the others missed, mislabelled, cut or moved, and some are made up. Both sides count and rate the
same rows in this process, seqeval from lists and Peibi from the Arrow columns that it keeps; their figures must agree.

  python bench/scores.py [--quick] [--json]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa

from core.evaluation.scoring import Sums, bootstrap
from core.scores import Counts
from core.tasks import task
from core.tasks.iob2 import classes
from core.tasks.tagging import COLUMNS
from tools.claims import tell

LABELS = ("EVENT", "LOC", "ORG", "PER", "TIME", "WORK")
WIDTH = 25  # tokens of a row
ROUNDS = 3


def tagged(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of gold and predicted tags. *Shapes:* (rows, WIDTH)."""
    rng = np.random.default_rng(seed)
    gold, guess = (np.zeros((rows, WIDTH), dtype=np.int32) for _ in range(2))
    for row in range(rows):
        free = 0
        for at in np.flatnonzero(rng.random(WIDTH) < 0.07).tolist():  # some fall into a mention before them
            if at >= free:
                label, length = int(rng.integers(6)), int(rng.integers(1, 4))
                free = _put(gold[row], at, length, label)
                _put(guess[row], *_guessed(rng, at, length, label))
        if rng.random() < 0.1 and not guess[row, -3:].any():
            _put(guess[row], WIDTH - 2, 1, int(rng.integers(6)))
    _mend(guess)
    return gold, guess


def _guessed(rng: np.random.Generator, at: int, length: int, label: int) -> tuple[int, int, int]:
    """(start, length, label) of what is predicted where a mention stands; no tokens where it is missed."""
    if rng.random() < 0.8:
        return at, length, label
    others = ((at, 0, label), (at, length, (label + 1) % 6), (at, length + 1, label), (max(at - 1, 0), length, label))
    return others[int(rng.integers(len(others)))]


def _put(row: np.ndarray, at: int, length: int, label: int) -> int:
    """Write a mention into a row of codes. -> the first token after it"""
    row[at : at + length] = 2 + 2 * label
    if length:
        row[at] -= 1
    return at + length


def _mend(codes: np.ndarray) -> None:
    """Inside tags whose beginning was written over begin a mention: models predict valid IOB2."""
    for at in range(WIDTH):
        before = codes[:, at - 1] if at else np.zeros(len(codes), dtype=codes.dtype)
        stray = (codes[:, at] > 0) & (codes[:, at] % 2 == 0) & (before != codes[:, at]) & (before != codes[:, at] - 1)
        codes[stray, at] -= 1


def column(codes: np.ndarray) -> pa.ChunkedArray:
    tags = pa.array(classes(LABELS)).take(pa.array(codes.ravel()))
    offsets = pa.array(np.arange(len(codes) + 1) * WIDTH, pa.int32())
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, tags).cast(COLUMNS["tags"])])


def seconds(act: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The median over rounds."""
    taken: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def scoring(tokens: int) -> list[dict[str, Any]]:
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    codes = tagged(tokens // WIDTH, 0)
    gold, guess = (column(side) for side in codes)
    table = pa.table({"tags": gold})
    lists = [side.to_pylist() for side in (gold, guess)]

    def ours(rule: str) -> Sums:
        whole = Sums.over_rows([task("tagging").counts(table, guess, LABELS, rule)])
        whole.per_label(), whole.micro(), whole.macro()
        return whole

    rules = {rule: seconds(lambda rule=rule: ours(rule)) for rule in task("tagging").rules}
    began = time.perf_counter()
    theirs = classification_report(*lists, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    other = time.perf_counter() - began
    rates = ours("strict").per_label()
    for at, label in enumerate(LABELS):
        found = tuple(float(theirs[label][key]) for key in ("precision", "recall", "f1-score"))
        mine = tuple(float(r[0, at]) for r in (rates.precision, rates.recall, rates.f1))
        assert np.allclose(mine, found, rtol=0, atol=1e-12), (label, mine, found)
    about = {"tokens": codes[0].size, "rows": len(codes[0]), "mentions": int((codes[0] % 2 == 1).sum())}
    about |= {"f1": theirs["micro avg"]["f1-score"], "labels": len(LABELS)}
    return [
        {"name": "scores_strict", "value": rules["strict"], "unit": "s", "detail": about | {"seconds_by_rule": rules}},
        {"name": "scores_over_seqeval", "value": other / rules["strict"], "unit": "x", "detail": {"seqeval": other}},
        {"name": "scores_slowest_rule", "value": max(rules.values()), "unit": "s", "detail": about},
    ]


def group(gold: np.ndarray, recall: float, runs: int, seed: int) -> list[Counts]:
    """Runs that find each mention with the same probability, and make some up."""
    rng = np.random.default_rng(seed)
    found = [rng.binomial(gold, recall).astype(np.int32) for _ in range(runs)]
    return [Counts(LABELS, tp, (tp + rng.binomial(1, 0.03, gold.shape)).astype(np.int32), gold) for tp in found]


def resampling(rows: int, draws: int) -> list[dict[str, Any]]:
    """Both groups, on the same rows in each draw."""
    gold = np.random.default_rng(0).binomial(2, 0.12, (rows, len(LABELS))).astype(np.int32)
    groups: Sequence[list[Counts]] = [group(gold, recall, 8, seed) for seed, recall in enumerate((0.7, 0.75))]

    def act() -> None:
        for number, runs in enumerate(groups):
            bootstrap(runs, draws, np.random.default_rng(5), np.random.default_rng(number))

    about = {"rows": rows, "runs": [8, 8], "labels": len(LABELS), "draws": draws}
    return [{"name": "bootstrap_two_groups", "value": seconds(act), "unit": "s", "detail": about}]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tokens")
    args = parser.parse_args()
    claims = [
        *scoring(100_000 if args.quick else 1_000_000),
        *resampling(10_000, 2000),
    ]
    tell(claims, args.json)
    if not args.json:
        for rule, taken in claims[0]["detail"]["seconds_by_rule"].items():
            print(f"{taken:10.3f} s    under the rule {rule}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
