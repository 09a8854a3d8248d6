"""How soon the warm process answers: from its start to the first answer of a kind, and every answer after that.

    python bench/warm.py [--json] [--quick]

Files are warm. Each start is that of a new process, asked as soon as it takes requests; beside it, in turn, a fresh
process that does the same work without a warm one, imports included. Later answers are asked for when everything is
loaded, each with another seed, so that nothing of an answer can be kept.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core import corpus as corpora  # noqa: E402
from core.corpus import Corpus  # noqa: E402
from core.formats import ReadOptions, read  # noqa: E402
from core.jobs import warm  # noqa: E402
from core.jobs.trainer import Context  # noqa: E402
from core.models.catalogue import DEFAULT, install  # noqa: E402
from core.params import canonical  # noqa: E402
from core.runs import RunSpec  # noqa: E402
from core.training.settings import TrainParams  # noqa: E402
from core.training.train import TrainRunParams  # noqa: E402
from core.training.train import run as train  # noqa: E402
from core.workspace import Workspace  # noqa: E402
from tests.conftest import HARBOUR  # noqa: E402

METHODS = ("mention_replacement", "synonym", "swap", "keyboard", "ocr", "spelling")
LINES = ["The ship left the harbour of Bergen on Monday .", "Anna Kuhn sold the cargo to Nordlicht Shipping ."]
LONGEST = 60.0  # seconds for one answer
ALONE = {  # the same work in a process of its own: arguments are the workspace and the request
    "preview": "from core.augment.preview import preview; from core.augment.pool import AugmentParams; "
    "from core import corpus; preview(corpus.read(root / 'corpora' / (asked['corpus'] + '.arrow')), asked['rows'], "
    "AugmentParams(asked['method'], seed=asked['seed']), root / 'cache')",
    "predict": "from core.predict import predict_lines; from core.workspace import Workspace; "
    "predict_lines(Workspace(root), asked['run'], asked['lines'])",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a smaller version, within two minutes")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        claims = measured(Path(folder), *((1, 5_000, 10) if args.quick else (5, 50_000, 40)))
    if args.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        print(json.dumps({"machine": machine, "claims": claims}))
    else:
        for claim in claims:
            more = ", ".join(f"{name} {value:.3f}" for name, value in claim["detail"].items() if name != "seconds")
            print(f"{claim['name']:<62} {claim['value']:>8.3f} {claim['unit']:<4} {more}")
    return 0


def measured(folder: Path, starts: int, large: int, moves: int) -> list[dict[str, Any]]:
    """All claims; the value of each is the median."""
    workspace = Workspace.open(folder / "workspace")
    small, many = (stored(workspace, folder, rows) for rows in (1_000, large))
    claims = [claim("the first synonyms of a workspace, which are built then", first_ever(workspace.root, small))]
    for method in ("mention_replacement", "synonym", "keyboard"):
        name = f"start to the first preview, {method}"
        claims.append(against(name, workspace.root, "preview", preview(small, method, 0), starts))
    asked = {"run": trained(workspace, small), "lines": LINES}
    claims.append(against("start to the first text read", workspace.root, "predict", asked, starts))
    warm.start(workspace.root)
    try:
        claims += later(workspace.root, small, many, asked, moves)
    finally:
        end(workspace.root)
    return claims


def claim(name: str, seconds: Sequence[float], unit: str = "s", **more: float) -> dict[str, Any]:
    return {"name": name, "value": statistics.median(seconds), "unit": unit, "detail": {"seconds": seconds} | more}


def stored(workspace: Workspace, folder: Path, rows: int) -> Corpus:
    """A corpus of so many different sentences, made of the harbour sample's by exchanging words that carry no label."""
    draw = random.Random(rows)
    sentences = [block.split("\n") for block in HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")]
    plain = [line for sentence in sentences for line in sentence if line.endswith("\tO")]
    path = folder / f"{rows}.conll"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            for line in draw.choice(sentences):
                file.write((draw.choice(plain) if line.endswith("\tO") and draw.random() < 0.5 else line) + "\n")
            file.write("\n")
    corpus = read(path, name=path.name, options=ReadOptions()).corpus
    corpora.write(corpus, workspace.root / "corpora")
    return corpus


def preview(corpus: Corpus, method: str, seed: int) -> dict[str, Any]:
    """What the page Augment asks for."""
    return {"corpus": corpus.id, "rows": list(range(5)), "method": method, "seed": seed}


def trained(workspace: Workspace, corpus: Corpus) -> str:
    """A run of the default encoder with its weights, after a few steps. -> its id"""
    base = install(DEFAULT, workspace.models, workspace.root).folder
    inputs = dict.fromkeys(("gold", "dev"), f"corpora/{corpus.id}.arrow") | {"model": f"models/{base.name}"}
    settings = TrainParams(steps=2, evaluations=1)
    few = corpora.write(corpus.take(range(40)), workspace.root / "corpora")
    inputs["dev"] = f"corpora/{few.name}"
    params = canonical(TrainRunParams(0, corpus.schema.labels, train=settings))
    spec = RunSpec("train", dict.fromkeys(inputs, ""), params)
    folder = workspace.root / "runs" / spec.id
    folder.mkdir()
    resolved = {"device": "cpu", "precision": "fp32", "threads": 1, "versions": {}, "inputs": inputs}
    train(Context(workspace.root, folder, spec, resolved, 1))
    return spec.id


def first_ever(root: Path, corpus: Corpus) -> list[float]:
    shutil.rmtree(root / "cache")
    (root / "cache").mkdir()
    return [started(root, "preview", preview(corpus, "synonym", 0))]


def against(name: str, root: Path, kind: str, asked: Mapping[str, Any], starts: int) -> dict[str, Any]:
    """Both sides in turn; the first round of each only warms files."""
    rounds = [(started(root, kind, asked), alone(root, kind, asked)) for _ in range(starts + 1)][1:]
    fresh = statistics.median(other for _, other in rounds)
    return claim(name, [own for own, _ in rounds], fresh_process=fresh)


def started(root: Path, kind: str, asked: Mapping[str, Any]) -> float:
    """Seconds from `start` to the answer; the warm process is ended afterwards."""
    began = time.monotonic()
    warm.start(root)
    try:
        while warm.state(root) != "ready":
            time.sleep(0.005)
        warm.ask(root, kind, asked, LONGEST)
        return time.monotonic() - began
    finally:
        end(root)


def alone(root: Path, kind: str, asked: Mapping[str, Any]) -> float:
    """Seconds of a process that starts, does the work and ends."""
    code = f"import json, pathlib, sys; root, asked = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]); {ALONE[kind]}"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code, str(root), json.dumps(asked)], cwd=ROOT, check=True)
    return time.monotonic() - began


def end(root: Path) -> None:
    os.kill(guard(root), signal.SIGTERM)
    while warm.state(root) != "off":
        time.sleep(0.01)


def guard(root: Path) -> int:
    return json.loads((root / "warm.json").read_text(encoding="utf-8"))["pid"]


def later(root: Path, small: Corpus, many: Corpus, asked: Mapping[str, Any], moves: int) -> list[dict[str, Any]]:
    """What comes when everything is loaded."""
    while warm.state(root) != "ready" or warm.ask(root, "ping", {}, LONGEST)["left"]:
        time.sleep(2)
    claims: list[dict[str, Any]] = []
    for corpus in (small, many):
        opened = took(root, "preview", preview(corpus, METHODS[0], 0))
        times = [took(root, "preview", preview(corpus, m, seed)) for seed in range(1, moves + 1) for m in METHODS]
        p95 = statistics.quantiles(times, n=20)[-1]
        name = f"a later preview, {len(corpus):,} sentences"
        claims.append(claim(name, times, p95=p95, longest=max(times), opening_the_corpus=opened))
    opened = took(root, "predict", asked)
    times = [took(root, "predict", asked) for _ in range(moves)]
    claims.append(claim("a later text, two lines", times, p95=statistics.quantiles(times, n=20)[-1], opening=opened))
    server = warm.ask(root, "ping", {}, LONGEST)["pid"]
    claims.append(claim("memory of the server, everything loaded", [own_memory(server)], "MiB"))
    claims.append(claim("memory of its guard", [own_memory(guard(root))], "MiB"))
    return claims


def took(root: Path, kind: str, asked: Mapping[str, Any]) -> float:
    began = time.monotonic()
    warm.ask(root, kind, asked, LONGEST)
    return time.monotonic() - began


def own_memory(pid: int) -> float:
    """MiB that a process has for itself: its share of what it has in common with others counts in part."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(row.split()[1]) for row in text.split("\n") if row.startswith("Pss:")) / 1024


if __name__ == "__main__":
    sys.exit(main())
