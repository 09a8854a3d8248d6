"""How many sentences a second methods change: ours, which keep labels, beside nlpaug's own, which know none.

    python bench/augment.py [--json] [--quick]      needs PEIBI_DATA with wnut17/

The pure functions on one core, in turn, the median of five rounds; as many words are asked to change on both sides.
Back-translation: one thread sentence by sentence, all cores, and once more from what was kept, new sentences each time.
A pool of 100,000 children with its checks is built in a process of its own, whose greatest memory is told.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core.augment import make, params_of  # noqa: E402
from core.augment.protocol import Example, Resources, rng_for  # noqa: E402
from core.augment.translation import Embedded, Memory  # noqa: E402
from core.formats import ReadOptions, read  # noqa: E402
from core.tasks import task as task_of  # noqa: E402
from tools.claims import tell  # noqa: E402

DATA = Path(os.environ.get("PEIBI_DATA", "."))
FILE = DATA / "wnut17" / "train.conll"
ROUNDS = 5
OURS: Mapping[str, Mapping[str, Any]] = {
    "keyboard": {"rate": 0.3, "character_rate": 0.3},
    "ocr": {"rate": 0.3, "character_rate": 0.3},
    "spelling": {"rate": 0.3},
    "swap": {"rate": 0.15},  # pairs
    "deletion": {"rate": 0.3},
}
POOL = """
import json, re, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from core.augment.pool import AugmentParams, build_pool
from core.formats import ReadOptions, read
data = read(Path({file!r}), name="train.conll", options=ReadOptions()).corpus
copies = -(-{children} // len(data))
began = time.perf_counter()
pool = build_pool(data, AugmentParams({method!r}, copies=copies), Path({cache!r}), set(), lambda: None)
taken = time.perf_counter() - began
print(json.dumps({{"seconds": taken, "tried": copies * len(data), "kept": len(pool.corpus), "rejected": pool.counts,
                  "peak_bytes": 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])}}))
"""


def theirs() -> Mapping[str, Any]:
    import nlpaug.augmenter.char as characters
    import nlpaug.augmenter.word as words

    return {
        "keyboard": characters.KeyboardAug(aug_word_p=0.3, aug_char_p=0.3),
        "ocr": characters.OcrAug(aug_word_p=0.3, aug_char_p=0.3),
        "spelling": words.SpellingAug(aug_p=0.3),
        "swap": words.RandomWordAug(action="swap", aug_p=0.3),
        "deletion": words.RandomWordAug(action="delete", aug_p=0.3),
    }


def a_second(act: Callable[[], object], sentences: int) -> float:
    began = time.process_time()
    act()
    return sentences / (time.process_time() - began)


def beside_nlpaug(rows: Sequence[Example], cache: Path) -> list[dict[str, Any]]:
    texts, claims = [" ".join(row.tokens) for row in rows], list[dict[str, Any]]()
    for name, other in theirs().items():
        method = make(name, params_of(name, OURS[name]), Resources(rows, "en", cache))

        def ours(name: str = name, method: Any = method) -> None:
            for row in rows:
                method.augment(row, 0, rng_for(0, name, row.id, 0))

        def its(other: Any = other) -> None:
            other.augment(texts)

        rounds = [(a_second(ours, len(rows)), a_second(its, len(rows))) for _ in range(ROUNDS)]
        mine, nlpaug = (statistics.median(side) for side in zip(*rounds, strict=True))
        detail = {"ours_per_s": round(mine), "nlpaug_per_s": round(nlpaug), "sentences": len(rows), "rounds": ROUNDS}
        value = statistics.median(a / b for a, b in rounds)
        claims.append({"name": f"{name}_over_nlpaug", "value": round(value, 2), "unit": "x", "detail": detail})
    return claims


def translated(rows: Sequence[Example], cache: Path) -> list[dict[str, Any]]:
    texts = [" ".join(row.tokens) for row in rows]
    half = len(texts) // 2
    engine = Embedded()
    memory = Memory(engine, cache)

    def there_and_back(text: str) -> None:
        engine.translate(engine.translate([text], "en", "pt", [0]), "pt", "en", [0])

    def alone() -> None:
        for text in texts[:half]:
            there_and_back(text)

    there_and_back("Good morning.")  # loaded, both ways

    def timed(act: Callable[[], object]) -> float:
        began = time.perf_counter()
        act()
        return time.perf_counter() - began

    one = half / timed(alone)
    new = timed(lambda: memory.there_and_back([(text, 0) for text in texts[half:]], "en", "pt"))
    again = timed(lambda: memory.there_and_back([(text, 0) for text in texts[half:]], "en", "pt"))
    many = (len(texts) - half) / new
    detail = {"one_thread_per_s": round(one, 1), "all_cores_per_s": round(many, 1), "sentences": half}
    return [
        {"name": "translation_threads_over_one", "value": round(many / one, 2), "unit": "x", "detail": detail},
        {"name": "translation_new_sentences", "value": round(many, 1), "unit": "/s", "detail": detail},
        {"name": "translation_kept_over_new", "value": round(new / again, 1), "unit": "x",
         "detail": {"new_s": round(new, 2), "kept_s": round(again, 4)}},
    ]  # fmt: skip


def pools(children: int, cache: Path) -> list[dict[str, Any]]:
    claims: list[dict[str, Any]] = []
    for method in ("synonym", "mention_replacement"):
        code = POOL.format(root=str(ROOT), file=str(FILE), cache=str(cache), method=method, children=children)
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        claims.append({"name": f"pool_{method}", "value": round(found["seconds"], 1), "unit": "s", "detail": found})
    return claims


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer sentences, a smaller pool")
    args = parser.parse_args()
    data = read(FILE, name=FILE.name, options=ReadOptions()).corpus
    rows = task_of("tagging").examples(data.table)
    with tempfile.TemporaryDirectory() as folder:
        claims = [
            *beside_nlpaug(rows[:500] if args.quick else rows, Path(folder)),
            *translated(rows[: 60 if args.quick else 600], Path(folder)),
            *pools(20_000 if args.quick else 100_000, Path(folder)),
        ]
    tell(claims, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
