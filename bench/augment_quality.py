"""What each method is likely to bring: gold alone beside gold and its children, judged by a head over frozen features.

    python bench/augment_quality.py [--json] [--quick] [--data weibo] [--sizes 150]      needs PEIBI_DATA
    python bench/augment_quality.py --read 20 [--data weibo] [--method graph]            children, for people to read

Of the training sentences 50, 150 and 500 are drawn, eight times each. A method makes one child of each sentence, dev's
texts left out; a linear head is solved over the frozen encoder of the language, once from the sentences alone and once
from them and the children, and reads all of dev. Told is the yield, the share of words that are others, and the gain of
F1 in points with its 95 % interval over the draws (Student's t), which are the same for every method. A probe ranks:
whether a method helps a fine-tune is for repeats and a verdict to say (docs/verdicts.md).
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core.augment import available, lacking  # noqa: E402
from core.augment.audit import audit  # noqa: E402
from core.augment.markup import written  # noqa: E402
from core.augment.pool import AugmentParams, build_pool  # noqa: E402
from core.corpus import Corpus, Schema  # noqa: E402
from core.errors import CoreError  # noqa: E402
from core.formats import ReadOptions, read  # noqa: E402
from core.formats.leakage import contents  # noqa: E402
from core.models.catalogue import default_for, install  # noqa: E402
from core.models.reading import Encoder, Read  # noqa: E402
from core.models.ridge import ridge  # noqa: E402
from core.tasks import task as task_of  # noqa: E402
from core.tasks.protocol import IGNORED  # noqa: E402
from tools.claims import tell  # noqa: E402

DATA = Path(os.environ.get("PEIBI_DATA", "."))
LANGUAGES: Mapping[str, str] = {"wnut17": "en", "weibo": "zh"}
SIZES, DRAWS = (50, 150, 500), 8
TASK = task_of("tagging")


@dataclass(frozen=True)
class Side:
    """Rows, as an encoder reads them."""

    corpus: Corpus
    read: Read

    @property
    def learned(self) -> tuple[np.ndarray, np.ndarray]:
        """States and targets of the items that say something."""
        targets = TASK.targets(self.corpus.table, self.corpus.schema.labels)
        use = (targets != IGNORED) & self.read.items.any(axis=1)
        return self.read.items[use], targets[use]


def f1(parts: Sequence[Side], dev: Side) -> float:
    """Strict micro F1 on dev of the head that is solved from some rows."""
    learned = [part.learned for part in parts]
    labels = dev.corpus.schema.labels
    states, targets = (np.concatenate(side) for side in zip(*learned, strict=True))
    weights, bias = ridge(states, targets, len(TASK.classes(labels)))
    values: list[Sequence[str]] = []
    for start, end in zip(dev.read.ends, dev.read.ends[1:], strict=False):
        items = dev.read.items[start:end]
        seen = np.asarray(items.any(axis=1))
        values.append(TASK.decode(labels, seen, items[seen] @ weights.T + bias).values)
    found = TASK.counts(dev.corpus.table, values, labels)
    return 2 * float(found.tp.sum()) / max(1.0, float(found.pred.sum() + found.gold.sum()))


def of(name: str, split: str, language: str, labels: Sequence[str] = ()) -> Corpus:
    found = read(DATA / name / f"{split}.conll", name=f"{split}.conll", options=ReadOptions()).corpus
    return Corpus(Schema("tagging", tuple(labels) or found.schema.labels, language), found.table)


def usable() -> list[str]:
    """The methods that need nothing but rows."""
    return [method for method in available(TASK) if not lacking(method, {})]


def drawn(corpus: Corpus, size: int, seed: int) -> Corpus:
    rows = np.random.default_rng(seed).permutation(len(corpus))[:size]
    return Corpus(corpus.schema, corpus.table.take(pa.array(np.sort(rows))))


def tried(method: str, golds: Sequence[Side], dev: Side, encoder: Encoder, root: Path) -> dict[str, Any]:
    """A method over some draws of one size. `golds`: the draws."""
    forbidden, gains, kept, changed = contents(dev.corpus), list[float](), list[float](), list[float]()
    for gold in golds:
        pool = build_pool(gold.corpus, AugmentParams(method), root, forbidden, lambda: None).corpus
        kept.append(len(pool) / len(gold.corpus))
        changed.append(audit(gold.corpus, pool).changed)
        children = [Side(pool, encoder.read(pool.table))] if len(pool) else []
        gains.append(100 * (f1([gold, *children], dev) - f1([gold], dev)))
    half = float(stats.t.ppf(0.975, len(gains) - 1)) * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
    mean = float(np.mean(gains))
    return {
        "gain": round(mean, 2), "low": round(mean - half, 2), "high": round(mean + half, 2),
        "yield": round(float(np.mean(kept)), 3), "changed": round(float(np.mean(changed)), 3),
        "gold_only": round(100 * float(np.mean([f1([gold], dev) for gold in golds])), 2),
    }  # fmt: skip


def to_read(name: str, size: int, number: int, methods: Sequence[str], root: Path) -> None:
    """Print some children of one draw by each method below their parents, mentions as [words](label)."""
    language = LANGUAGES[name]
    train = of(name, "train", language)
    gold, forbidden = drawn(train, size, 0), contents(of(name, "dev", language, train.schema.labels))
    parents = {row.id: row for row in TASK.examples(gold.table)}
    for method in methods:
        try:
            pool = build_pool(gold, AugmentParams(method), root, forbidden, lambda: None).corpus
        except CoreError as error:
            print(f"{method}: {error}", file=sys.stderr)
            continue
        print(f"\n{method}: {len(pool)} children of {len(gold)} sentences")
        some = drawn(pool, number, 1).table
        for row, parent in zip(TASK.examples(some), some.column("parent").to_pylist(), strict=True):
            before = parents[parent]
            print(f"  {written(before.tokens, before.tags)}\n> {written(row.tokens, row.tags)}")


def claims_of(name: str, sizes: Sequence[int], draws: int, root: Path) -> list[dict[str, Any]]:
    language = LANGUAGES[name]
    train = of(name, "train", language)
    model = install(default_for(language), root / "models", root)
    encoder = Encoder(model.folder, TASK)
    whole = of(name, "dev", language, train.schema.labels)
    dev = Side(whole, encoder.read(whole.table))
    claims: list[dict[str, Any]] = []
    for size in sizes:
        some = [drawn(train, size, seed) for seed in range(draws)]
        golds = [Side(corpus, encoder.read(corpus.table)) for corpus in some]
        for method in usable():
            try:
                found = tried(method, golds, dev, encoder, root)
            except CoreError as error:  # nothing for this language
                print(f"{method}: {error}", file=sys.stderr)
                continue
            about = {"name": f"{name}_{size}_{method}", "value": found["gain"], "unit": "points of F1"}
            claims.append(about | {"detail": found})
    return claims


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="50 sentences, three draws")
    parser.add_argument("--data", choices=LANGUAGES, default="wnut17")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sentences drawn")
    parser.add_argument("--read", type=int, default=0, metavar="N", help="print N children by each method, of 150")
    parser.add_argument("--method", help="only this one, to read")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "models").mkdir()
        if args.read:
            to_read(args.data, SIZES[1], args.read, [args.method] if args.method else usable(), root)
            return 0
        claims = claims_of(args.data, SIZES[:1] if args.quick else args.sizes, 3 if args.quick else DRAWS, root)
    tell(claims, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
