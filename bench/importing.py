"""What importing a CoNLL file costs in time and memory, beside a reader that keeps lists of lists.

Ours does the whole import: read, recognise, repair, hash, store. Each side runs in a fresh process: seconds of the
call, and its peak resident memory above that of the process before the call, with the libraries imported but nothing
read yet. The scan for near-duplicates (the file against 1,000 held-out rows) is timed apart.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

TOKENS = 1_000_000
SIDES = ("peibi", "lists")
TYPES = ("PER", "LOC", "ORG", "EVENT", "WORK", "PRODUCT")


def generate(path: Path, tokens: int, seed: int = 0) -> int:
    """A CoNLL file with Zipf-like words, 5 to 40 tokens a sentence and one entity in ten tokens; returns sentences."""
    rng = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [1 / (rank + 3) for rank in range(len(letters))]
    words = [
        "".join(rng.choices(letters, weights, k=min(14, 1 + int(rng.gammavariate(3, 1.7))))) for _ in range(40_000)
    ]
    words[:12] = ["the", ",", ".", "of", "and", "to", "in", "a", "is", "that", "for", "’s"]
    frequency = list(accumulate(1 / (rank + 2) for rank in range(len(words))))
    sentences = left = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        while tokens > 0:
            left = min(tokens, rng.randint(5, 40))
            tokens -= left
            sentences += 1
            chosen = rng.choices(words, cum_weights=frequency, k=left)
            lines: list[str] = []
            while chosen:
                mention = rng.random() < 0.06
                label = rng.choice(TYPES)
                for index in range(rng.choice((1, 1, 2, 3)) if mention else 1):
                    if chosen:
                        word = chosen.pop()
                        tag = ("I-" if index else "B-") + label if mention else "O"
                        lines.append(f"{word.capitalize() if mention else word}\t{tag}\n")
            file.write("".join(lines) + "\n")
    return sentences


def lists_reader(path: Path) -> list[tuple[list[str], list[str]]]:
    """The other side: a plain loop over lines."""
    rows: list[tuple[list[str], list[str]]] = []
    tokens: list[str] = []
    tags: list[str] = []
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) > 1:
                tokens.append(fields[0])
                tags.append(fields[-1])
            elif tokens:
                rows.append((tokens, tags))
                tokens, tags = [], []
    return rows + ([(tokens, tags)] if tokens else [])


def resident(field: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


def measure(side: str, path: Path) -> dict[str, float]:
    """Run one side in this process. The kernel's peak counter is set back before the call."""
    import pyarrow as pa

    import core.formats.tagged.conll  # noqa: F401 -- libraries aren't the file's memory
    from core import corpus as corpora
    from core.formats import leakage
    from core.formats.importing import ImportParams, Source, bring_in

    pa.array([1]).to_numpy()  # imports pandas
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    start = time.perf_counter()
    if side == "peibi":
        kept = bring_in(ImportParams({"pool:file": Source(path.name)}), {"pool:file": path}).parts["pool:file"].corpus
        corpora.write(kept, path.parent / "corpora")
        rows = len(kept)
    else:
        rows = len(lists_reader(path))
    seconds = time.perf_counter() - start
    if side == "peibi":
        peak = resident("VmHWM") - before
        start = time.perf_counter()
        leakage.near(kept, corpora.Corpus(kept.schema, kept.table.slice(0, 1000)))
        scan = time.perf_counter() - start
        return {"seconds": seconds, "peak_bytes": peak, "before_bytes": before, "rows": rows, "scan_seconds": scan}
    return {"seconds": seconds, "peak_bytes": resident("VmHWM") - before, "before_bytes": before, "rows": rows}


def in_child(side: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--file", str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


def machine() -> dict[str, object]:
    return {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}


def compare(tokens: int, repeats: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.conll"
        sentences = generate(path, tokens)
        size = path.stat().st_size
        raw = {side: [in_child(side, path) for _ in range(repeats)] for side in SIDES}
    if any(run["rows"] != sentences for runs in raw.values() for run in runs):
        raise SystemExit("a reader lost rows")
    detail: dict[str, object] = {"tokens": tokens, "sentences": sentences, "file_bytes": size, **raw}
    claims: list[dict[str, object]] = []
    for side in SIDES:
        seconds = sorted(run["seconds"] for run in raw[side])[repeats // 2]
        peak = max(run["peak_bytes"] for run in raw[side])
        prefix = "import" if side == "peibi" else "import_lists"
        claims.append({"name": f"{prefix}_seconds", "value": seconds, "unit": "s", "detail": detail})
        claims.append(
            {"name": f"{prefix}_peak_bytes_per_file_byte", "value": peak / size, "unit": "x", "detail": detail}
        )
    scan = sorted(run["scan_seconds"] for run in raw["peibi"])[repeats // 2]
    claims.append({"name": "near_duplicate_scan_seconds", "value": scan, "unit": "s", "detail": detail})
    return {"machine": machine(), "claims": claims}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="100,000 tokens, one run a side")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.side, arguments.file)))
        return
    result = compare(TOKENS // 10, 1) if arguments.quick else compare(TOKENS, 3)
    if arguments.json:
        print(json.dumps(result))
        return
    for claim in result["claims"]:  # pyright: ignore[reportGeneralTypeIssues]
        print(f"{claim['name']:<40} {claim['value']:>10.2f} {claim['unit']}")


if __name__ == "__main__":
    main()
